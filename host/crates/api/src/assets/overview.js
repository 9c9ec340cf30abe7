// The first view: all jobs with live figures, the files that can be submitted, and the place to drop one.

import { sparkline } from "./charts.js";
import { declaration, summary } from "./declared.js";
import { open } from "./dialogs.js";
import { attribute, button, fileButton, h, hide, keyed, section, text, WASM } from "./dom.js";
import { bytes, count, duration, plural, rate, share } from "./format.js";
import { out } from "./store.js";
import { dropTarget, submitDialog, submitFile } from "./submit.js";

/** The states in which somebody should look. */
const WRONG = new Set(["degraded", "failing", "failed"]);

/** A state as a word with a mark whose shape differs as well as its colour. */
export function badge() {
  const word = h("span");
  const node = h("span", { class: "badge" }, h("span", { class: "dot", "aria-hidden": "true" }), word);
  return { node, set: (state) => (attribute(node, "data-state", state), text(word, state)) };
}

/** A term with its figure and, where asked for, a small chart. */
function cell(term, name, unit = "") {
  const figure = h("span", { class: "figure" });
  const spark = name ? sparkline() : null;
  const node = h(
    "div",
    { class: "cell" },
    h("dt", null, term),
    h("dd", null, figure, unit ? h("span", { class: "unit" }, ` ${unit}`) : null, spark?.node),
  );
  return { node, name, figure, spark };
}

function jobRow({ view }) {
  const state = badge();
  const link = h("a", { href: `#/jobs/${encodeURIComponent(view.name)}` }, view.name);
  const what = h("p", { class: "what" });
  const reason = h("p", { class: "reason" });
  const outs = h("dd", { class: "outs" });
  const cells = {
    in: cell("In", "in", "/s"),
    lag: cell("Lag", "lag"),
    latency: cell("Latency", "p50", "p50"),
    refused: cell("Rejects", null),
    dead: cell("Dead", null),
    memory: cell("Memory", null),
    cpu: cell("CPU", "cpu"),
  };
  const tail = h("span", { class: "unit tail" });
  cells.latency.spark.node.before(tail);
  const sinks = h("div", { class: "cell wide" }, h("dt", null, "Out"), outs);
  const { in: input, ...rest } = cells;
  const node = h(
    "li",
    { class: "job" },
    h("div", { class: "who" }, h("h3", null, link, " ", state.node), what, reason),
    h(
      "dl",
      { class: "figures" },
      input.node,
      sinks,
      Object.values(rest).map((one) => one.node),
    ),
  );
  return { node, state, what, reason, outs, tail, cells, drawn: null };
}

function outRow(sink) {
  const figure = h("span", { class: "figure" });
  const spark = sparkline();
  return {
    node: h(
      "div",
      { class: "out" },
      h("span", { class: "sink", title: sink.name }, sink.name),
      h("span", null, figure, h("span", { class: "unit" }, " /s")),
      spark.node,
    ),
    figure,
    spark,
  };
}

function updateRow(row, job, now) {
  const { view } = job;
  const { counts } = view;
  row.state.set(view.state);
  text(row.what, `${view.spec.version} · ${summary(view.spec)}`);
  const reasons = view.conditions.map((condition) => `${condition.part}: ${condition.reason}`);
  if (view.probation) reasons.push(`on probation: ${view.probation.batches} of ${view.probation.of} batches`);
  text(row.tail, `p99 ${duration(job.recent("p99"))}`);
  text(row.reason, reasons.join(" · "));
  hide(row.reason, reasons.length === 0);
  attribute(row.reason, "data-mild", view.conditions.some((condition) => WRONG.has(condition.state)) ? null : "yes");
  const figures = {
    in: rate(job.now("in")),
    lag: count(view.lag),
    latency: duration(job.recent("p50")),
    refused: count(counts.rejects),
    dead: count(counts.dead_letters),
    memory: bytes(view.memory_bytes),
    cpu: share(job.now("cpu")),
  };
  for (const [name, value] of Object.entries(figures)) text(row.cells[name].figure, value);
  attribute(row.cells.dead.node, "data-any", counts.dead_letters > 0 ? "yes" : null);
  const outs = keyed(
    row.outs,
    counts.sinks,
    (sink) => sink.name,
    outRow,
    (one, sink) => text(one.figure, rate(job.now(out(sink.name)))),
  );
  // A job that rests for the whole window is drawn once: five hundred of them cost nothing.
  const still = !job.history.since("in", now - 120).some(([, value]) => value > 0) && !(view.lag > 0);
  if (still && row.drawn === job.history) return;
  row.drawn = still ? job.history : null;
  for (const one of Object.values(row.cells)) one.spark?.draw(job.history, one.name, now);
  for (const [name, one] of outs) one.spark.draw(job.history, out(name), now);
}

function fileRow(one) {
  const what = h("p", { class: "what" });
  const actions = h("span", { class: "row" });
  const node = h("li", { class: "file" }, h("div", null, h("h3", null, h("code", null, one.file)), what), actions);
  return { node, what, actions, signature: "" };
}

function updateFile(row, one) {
  // Whole specs are compared: an overwritten file may declare something else under the same version.
  const signature = JSON.stringify(one);
  if (signature === row.signature) return;
  row.signature = signature;
  attribute(row.node, "data-wrong", one.error ? "yes" : null);
  if (one.checking) text(row.what, "being read …");
  else if (one.error) text(row.what, `not a job: ${one.error}`);
  else
    text(
      row.what,
      `${one.spec.name} ${one.spec.version} · ${summary(one.spec)}${one.spec.description ? ` · ${one.spec.description}` : ""}`,
    );
  const runs = one.jobs ?? [];
  const submit = one.spec && !one.checking;
  const label = (verb) => ({ "aria-label": `${verb} ${one.file}` });
  row.actions.replaceChildren(
    ...[
      runs.map((job) => h("a", { href: `#/jobs/${encodeURIComponent(job)}` }, `runs as ${job}`)),
      one.spec
        ? button(
            "Declares",
            () => open(`${one.spec.name} ${one.spec.version}`, declaration(one.spec), { wide: true }),
            { class: "quiet", ...label("Declares") },
          )
        : null,
      submit
        ? button("Submit…", () => submitDialog(one.spec, { available: one.file }, one.file), {
            ...label("Submit…"),
            class: runs.length > 0 ? "quiet" : null,
          })
        : null,
    ]
      .flat()
      .filter(Boolean),
  );
}

/** The view: `{node, title, update, close}`. */
export function overview({ store, now }) {
  const closed = new AbortController();
  const totals = {
    running: "Jobs",
    in: "Records in",
    out: "Records out",
    lag: "Lag",
    dead: "Dead letters",
    memory: "Memory",
  };
  const tiles = Object.fromEntries(Object.keys(totals).map((key) => [key, h("dd", null, "–")]));
  const strip = h(
    "dl",
    { class: "totals" },
    Object.entries(totals).map(([key, name]) => h("div", null, h("dt", null, name), tiles[key])),
  );
  const search = h("input", {
    type: "search",
    placeholder: "Filter by name or state",
    "aria-label": "Filter jobs by name or state",
    autocomplete: "off",
  });
  search.addEventListener("input", () => update());
  const columns = h(
    "div",
    { class: "heads", "aria-hidden": "true" },
    ["Job", "In", "Out", "Lag", "Latency", "Rejects", "Dead", "Memory", "CPU"].map((name) => h("span", null, name)),
  );
  const list = h("ul", { class: "jobs" });
  const none = h("p", { class: "empty" });
  const files = h("ul", { class: "files" });
  const noFiles = h("p", { class: "hint" }, "No .wasm file is in the host's usr_jobs folder.");
  const choose = fileButton("Submit a file…", submitFile, { class: "primary" }, WASM);
  const node = h(
    "div",
    { class: "overview" },
    h("div", { class: "top" }, h("h1", { tabindex: "-1" }, "Jobs"), search, choose),
    strip,
    h(
      "section",
      { "aria-label": "Submitted jobs" },
      h("h2", { class: "hidden" }, "Submitted jobs"),
      columns,
      list,
      none,
    ),
    section("Files in usr_jobs", noFiles, files),
    h("p", { class: "hint drop" }, "Drop a .wasm file anywhere on this page to see what it declares and to submit it."),
  );
  dropTarget("Drop the component to see what it declares", submitFile, closed.signal);

  function update() {
    const jobs = store.sorted();
    const at = now();
    const sum = (of) => jobs.reduce((total, job) => total + (of(job) ?? 0), 0);
    const wrong = jobs.filter((job) => WRONG.has(job.view.state)).length;
    const running = jobs.filter((job) => job.view.state === "running").length;
    text(
      tiles.running,
      store.known ? `${running} of ${jobs.length} running${wrong > 0 ? `, ${wrong} in trouble` : ""}` : "–",
    );
    attribute(tiles.running, "data-wrong", wrong > 0 ? "yes" : null);
    text(tiles.in, `${rate(sum((job) => job.now("in")))} /s`);
    text(tiles.out, `${rate(sum((job) => job.out))} /s`);
    text(tiles.lag, count(sum((job) => job.view.lag)));
    text(tiles.dead, count(sum((job) => job.view.counts.dead_letters)));
    text(tiles.memory, bytes(sum((job) => job.view.memory_bytes)));
    const wanted = search.value.trim().toLowerCase();
    const shown = jobs.filter(({ view }) => view.name.toLowerCase().includes(wanted) || view.state.startsWith(wanted));
    keyed(
      list,
      shown,
      (job) => job.view.name,
      jobRow,
      (row, job) => updateRow(row, job, at),
    );
    hide(none, shown.length > 0 || !store.known);
    hide(columns, shown.length === 0);
    text(
      none,
      jobs.length === 0
        ? "No job is submitted yet. Drop a .wasm file here, or submit one of the files below."
        : `None of ${plural(jobs.length, "job")} fits the filter.`,
    );
    keyed(files, store.available, (one) => one.file, fileRow, updateFile);
    hide(noFiles, store.available.length > 0 || !store.known);
  }
  return { node, title: () => "Jobs", update, close: () => closed.abort() };
}
