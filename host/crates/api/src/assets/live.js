// A job's first panel: its flow, charts of two minutes, and where its partitions run.

import { chart } from "./charts.js";
import { unit } from "./declared.js";
import { h, head, hide, keyed, section, text } from "./dom.js";
import { flow } from "./flow.js";
import { bytes, count, duration, rate, share } from "./format.js";
import { out } from "./store.js";

/** The panel. */
export function livePanel(context) {
  const drawing = flow();
  const charts = h("div", { class: "charts" });
  const body = h("tbody");
  const none = h("p", { class: "hint" }, "This host has no partition of the job at the moment.");
  const partitions = h(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": "Partitions" },
    h(
      "table",
      null,
      h("caption", { class: "hidden" }, "Partitions"),
      head("Topic", "#Partition", "#Instance", "#Committed", "#End", "#Lag"),
      body,
    ),
  );
  const node = h(
    "div",
    null,
    section("Flow", drawing.node),
    section("Last two minutes", charts),
    section("Partitions", none, partitions),
  );
  drawing.node.addEventListener("resized", () => update());

  function update() {
    const job = context.job();
    if (!job) return;
    drawing.update(job);
    const now = context.now();
    const wanted = [
      { key: "in", title: "Records in", format: rate, unit: "/s", value: job.now("in") },
      ...job.view.spec.sinks.map((sink) => ({
        key: out(sink.name),
        title: `Out to ${sink.name}`,
        format: rate,
        unit: `${unit(sink)}/s`,
        value: job.now(out(sink.name)),
      })),
      { key: "lag", title: "Consumer lag", format: count, unit: "records", value: job.view.lag },
      { key: "p50", title: "Batch latency, half below", format: duration, unit: "p50", value: job.recent("p50") },
      { key: "p99", title: "Batch latency, 99 % below", format: duration, unit: "p99", value: job.recent("p99") },
      { key: "refused", title: "Rejects and dead letters", format: rate, unit: "/s", value: job.now("refused") },
      { key: "cpu", title: "CPU, of one core", format: share, unit: "", value: job.now("cpu") },
      { key: "memory", title: "Memory", format: bytes, unit: "", base: 2, value: job.view.memory_bytes },
    ];
    keyed(
      charts,
      wanted,
      (one) => `${one.key} ${one.unit}`,
      (one) => chart(one.title, one.format, one.unit, one.base),
      (row, one) => row.draw(job.history, one.key, now, one.value),
    );
    const rows = job.view.partitions ?? [];
    hide(none, rows.length > 0);
    hide(partitions, rows.length === 0);
    keyed(
      body,
      rows,
      (one) => `${one.topic} ${one.partition}`,
      partitionRow,
      (row, one) => {
        text(row.instance, one.instance ?? "–");
        text(row.committed, count(one.committed));
        text(row.end, count(one.end));
        text(row.lag, count(one.lag));
      },
    );
  }
  return { node, update, close: drawing.close };
}

function partitionRow(one) {
  const cell = () => h("td", { class: "number" });
  const row = { instance: cell(), committed: cell(), end: cell(), lag: cell() };
  const partition = h("td", { class: "number" }, one.partition);
  return {
    ...row,
    node: h("tr", null, h("th", { scope: "row" }, one.topic), partition, row.instance, row.committed, row.end, row.lag),
  };
}
