// The flow of a job, drawn: sources → job → sinks, with live rates on the arrows, which move while records flow.

import { target } from "./declared.js";
import { attribute, h, hide, s, text } from "./dom.js";
import { count, duration, plural, rate, share } from "./format.js";
import { out, topic } from "./store.js";

/** Below it, nodes stand under each other. */
const NARROW = 640;
const GAP = 18;
const HEIGHT = 58;

const pen = document.createElement("canvas").getContext("2d");

/** A text cut to a width, with an ellipsis. */
function fit(value, width, font) {
  if (pen) pen.font = font;
  const fits = (one) => !pen || pen.measureText(one).width <= width;
  if (fits(value)) return value;
  let most = value.length;
  while (most > 1 && !fits(`${value.slice(0, most)}…`)) most -= 1;
  return `${value.slice(0, most)}…`;
}

/** What a topic is, and which declared one it stands for. */
function instead(mapping, read) {
  const declared = Object.entries(mapping ?? {}).find(([, topic]) => topic === read);
  return declared ? `Kafka topic, for ${declared[0]}` : "Kafka topic";
}

/** The things that are drawn: what stands left, in the middle, and right. */
function parts(view) {
  const sources = view.spec.sources.map((source) => ({
    kind: "source",
    key: source.topic,
    title: source.topic,
    what: instead(view.mapping?.sources, source.topic),
  }));
  const sinks = view.spec.sinks.map((sink) => ({
    kind: sink.topic === undefined ? "table" : "topic",
    key: sink.name,
    title: sink.name,
    what: sink.topic === sink.name ? "Kafka topic" : target(sink),
  }));
  sinks.push({ kind: "dead", key: "", title: "dead letters", what: `topic ${view.name}.dlq` });
  return { sources, job: { kind: "job", key: view.name, title: view.name, what: "" }, sinks };
}

/** Places nodes side by side: sources, job, sinks from left to right. */
function wide({ sources, job, sinks }, width) {
  const size = Math.min(260, Math.max(170, width * 0.25));
  const rows = Math.max(sources.length, sinks.length);
  const total = rows * (HEIGHT + GAP) - GAP;
  const column = (nodes, x) =>
    nodes.map((node, i) => {
      const all = nodes.length * (HEIGHT + GAP) - GAP;
      return { ...node, x, y: 1 + (total - all) / 2 + i * (HEIGHT + GAP), width: size, height: HEIGHT };
    });
  const tall = Math.max(HEIGHT + 24, Math.min(total, 120));
  const middle = { ...job, x: (width - size) / 2, y: 1 + (total - tall) / 2, width: size, height: tall };
  const left = column(sources, 1);
  const right = column(sinks, width - size - 1);
  const spread = (i, n) => middle.y + (middle.height * (i + 1)) / (n + 1);
  const curve = (x1, y1, x2, y2) => {
    const half = (x1 + x2) / 2;
    return { path: `M${x1} ${y1}C${half} ${y1} ${half} ${y2} ${x2} ${y2}`, x: half, y: (y1 + y2) / 2, pill: 76 };
  };
  return {
    height: Math.max(total, tall) + 2,
    nodes: [...left, middle, ...right],
    edges: [
      ...left.map((node, i) => ({
        node,
        ...curve(node.x + size, node.y + HEIGHT / 2, middle.x - 5, spread(i, left.length)),
      })),
      ...right.map((node, i) => ({
        node,
        ...curve(middle.x + size, spread(i, right.length), node.x - 5, node.y + HEIGHT / 2),
      })),
    ],
  };
}

/** Places nodes under each other, with the arrows beside them. */
function narrow({ sources, job, sinks }, width) {
  const gutter = 94;
  const step = HEIGHT + GAP;
  const all = [...sources, job, ...sinks].map((node, i) => ({
    ...node,
    x: 1,
    y: 1 + i * step,
    width: width - gutter - 2,
    height: HEIGHT,
  }));
  const middle = all[sources.length];
  const x = width - gutter - 1;
  const edge = (node, y1, y2, y) => ({
    node,
    path: `M${x} ${y1}C${x + 34} ${y1} ${x + 34} ${y2} ${x + 5} ${y2}`,
    x: x + 61,
    y,
    pill: 62,
  });
  const left = all.slice(0, sources.length);
  const right = all.slice(sources.length + 1);
  const center = (node) => node.y + HEIGHT / 2;
  return {
    height: all.length * step - GAP + 2,
    nodes: all,
    edges: [
      ...left.map((node, i) =>
        edge(node, center(node), middle.y + 8 + (i * 12) / Math.max(1, left.length), center(node)),
      ),
      ...right.map((node, i) =>
        edge(node, middle.y + HEIGHT - 8 - (i * 12) / Math.max(1, right.length), center(node), center(node)),
      ),
    ],
  };
}

/** The flow: `update(job)` each second. */
export function flow() {
  const caption = h("p", { class: "hidden" });
  const drawing = s("svg", { class: "flow", role: "img" });
  const node = h("div", { class: "flow-frame" }, drawing, caption);
  let signature = "";
  let drawn = { nodes: [], edges: [] };

  function build(view, width) {
    const placed = (width < NARROW ? narrow : wide)(parts(view), width);
    attribute(drawing, "viewBox", `0 0 ${width} ${placed.height}`);
    attribute(drawing, "height", placed.height);
    const font = getComputedStyle(node).fontFamily;
    const edges = placed.edges.map((edge) => {
      const base = s("path", { class: "edge", d: edge.path, "marker-end": "url(#arrow)" });
      const moving = s("path", { class: "moving", d: edge.path });
      const pill = s("rect", {
        class: "pill",
        x: edge.x - edge.pill / 2,
        y: edge.y - 11,
        width: edge.pill,
        height: 22,
        rx: 11,
      });
      const label = s("text", { class: "rate", x: edge.x, y: edge.y + 4.5, "text-anchor": "middle" });
      return {
        ...edge.node,
        group: s("g", { class: `arrow ${edge.node.kind}` }, base, moving, pill, label),
        moving,
        label,
        pace: "",
      };
    });
    const nodes = placed.nodes.map((one) => {
      const inner = one.width - 30;
      const three = one.height >= 80;
      const top = one.y + (one.height - (three ? 62 : 44)) / 2 + 17;
      const lines = (three ? [19, 37] : [19]).map((below) =>
        s("text", { class: "detail", x: one.x + 16, y: top + below }),
      );
      const group = s(
        "g",
        { class: `node ${one.kind}` },
        s("title", null, one.title),
        s("rect", { x: one.x, y: one.y, width: one.width, height: one.height, rx: 7 }),
        s("rect", { class: "mark", x: one.x, y: one.y, width: 5, height: one.height, rx: 2.5 }),
        s("text", { class: "name", x: one.x + 16, y: top }, fit(one.title, inner, `600 14px ${font}`)),
        lines,
      );
      return { ...one, group, lines, inner, font: `12px ${font}` };
    });
    const arrow = s(
      "marker",
      {
        id: "arrow",
        viewBox: "0 0 8 8",
        refX: 4,
        refY: 4,
        markerWidth: 8,
        markerHeight: 8,
        markerUnits: "userSpaceOnUse",
        orient: "auto",
      },
      s("path", { d: "M0 0L8 4L0 8Z" }),
    );
    drawing.replaceChildren(
      s("defs", null, arrow),
      ...edges.map((edge) => edge.group),
      ...nodes.map((one) => one.group),
    );
    return { nodes, edges };
  }

  function update(job) {
    const { view } = job;
    const width = Math.max(280, Math.floor(node.clientWidth) || 280);
    const now = JSON.stringify([width, view.spec.sources, view.spec.sinks, view.mapping, view.name]);
    if (now !== signature) drawn = build(view, width);
    signature = now;
    for (const edge of drawn.edges) arrow(edge, job);
    for (const one of drawn.nodes) details(one, job);
    const said = drawn.edges.map((edge) => `${edge.kind === "source" ? "from" : "to"} ${edge.title} ${edge.said}`);
    attribute(drawing, "aria-label", `The flow of ${view.name}: ${said.join(", ")}`);
  }

  const observer = new ResizeObserver(() => node.dispatchEvent(new Event("resized")));
  observer.observe(node);
  return { node, update, close: () => observer.disconnect() };
}

/** What flows along an arrow a second. */
function speed(edge, job) {
  if (edge.kind === "source") return job.view.spec.sources.length > 1 ? job.now(topic(edge.key)) : job.now("in");
  return edge.kind === "dead" ? job.now("refused") : job.now(out(edge.key));
}

function arrow(edge, job) {
  const per = speed(edge, job);
  const dead = edge.kind === "dead";
  text(edge.label, dead && !per ? count(job.view.counts.dead_letters) : `${rate(per)} /s`);
  edge.said = `${rate(per)} a second`;
  hide(edge.moving, false);
  const flows = per > 0;
  attribute(edge.group, "data-flows", flows ? "yes" : null);
  attribute(edge.group, "data-any", dead && job.view.counts.dead_letters > 0 ? "yes" : null);
  // In few steps: a new duration makes a running animation jump.
  const pace = flows ? `${[2.4, 1.6, 1.1, 0.8, 0.6, 0.45][Math.min(5, Math.floor(Math.log10(per + 1)))]}s` : "";
  if (pace !== edge.pace) edge.moving.style.setProperty("animation-duration", pace || "0s");
  edge.pace = pace;
}

function details(one, job) {
  const { view } = job;
  const [first, second] = one.lines;
  const write = (line, value) => text(line, fit(value, one.inner, one.font));
  if (one.kind === "job") {
    attribute(one.group, "data-state", view.state);
    const size = `${plural(view.instances, "instance")} · ${share(job.now("cpu"))} CPU`;
    const half = duration(job.recent("p50"));
    write(first, second ? size : `${size} · ${half} a batch`);
    if (second) write(second, `${half} a batch, p99 ${duration(job.recent("p99"))}`);
  } else if (one.kind === "source") {
    const partitions = (view.partitions ?? []).filter((partition) => partition.topic === one.key);
    const known = partitions.length > 0 && partitions.every((partition) => typeof partition.lag === "number");
    const lag = known ? ` · lag ${count(partitions.reduce((sum, partition) => sum + partition.lag, 0))}` : "";
    write(first, `${one.what} · ${plural(partitions.length, "partition")}${lag}`);
  } else if (one.kind === "dead") {
    write(
      first,
      `${plural(view.counts.rejects, "reject")}, ${plural(view.counts.dead_letters, "letter")} · ${one.what}`,
    );
  } else {
    const sink = view.counts.sinks.find((counted) => counted.name === one.key);
    write(first, `${one.what} · ${count(sink?.records_out)}`);
  }
}
