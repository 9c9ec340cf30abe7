// What a component declares of itself, for people: sources, sinks with their columns, parameters.

import { h, table } from "./dom.js";

/** Where a sink leads, in a few words. */
export function target(sink) {
  if (sink.topic !== undefined) return `topic ${sink.topic}`;
  if (sink.table) return `table ${sink.table.name}`;
  return "statement";
}

/** What kind of thing a sink writes. */
export function unit(sink) {
  return sink.topic === undefined ? "rows" : "messages";
}

/** The types are written as Postgres spells them. */
function type(name) {
  return name.replace("_", " ");
}

function conflict({ key = [], on_conflict: what }) {
  const of = key.length > 0 ? ` (${key.join(", ")})` : "";
  if (what === "ignore") return `on conflict${of} do nothing`;
  if (what === "update") return `on conflict${of} update`;
  return key.length > 0 ? `a conflict on${of} is refused` : "a conflict is refused";
}

/** A sink in full. */
function sinkDetail(sink) {
  if (sink.table) {
    const rows = sink.table.columns.map((column) =>
      h(
        "tr",
        null,
        h("th", { scope: "row" }, h("code", null, column.name)),
        h("td", null, h("code", null, type(column.type))),
        h("td", null, column.nullable ? "may be null" : "not null"),
      ),
    );
    return [
      h("p", { class: "hint" }, conflict(sink.table)),
      table(`Columns of ${sink.table.name}`, ["Column", "Type", "Nulls"], h("tbody", null, rows)),
    ];
  }
  if (sink.statement) {
    return [
      h(
        "pre",
        { class: "code", tabindex: "0", role: "group", "aria-label": `Statement of ${sink.name}` },
        sink.statement.sql,
      ),
      h("p", { class: "hint" }, `placeholders: ${sink.statement.placeholders.map(type).join(", ") || "none"}`),
    ];
  }
  return null;
}

/** The declaration as a list of terms; parameters are left to the form that sets them. */
export function declaration(spec) {
  const sources = spec.sources.map((source) =>
    h("li", null, "topic ", h("code", null, source.topic), source.headers ? " with headers" : null),
  );
  const sinks = spec.sinks.map((sink) =>
    h(
      "li",
      null,
      h("b", null, sink.name),
      sink.table || sink.topic !== undefined ? [" → ", target(sink)] : " → a statement run once a row",
      sinkDetail(sink),
    ),
  );
  return h(
    "dl",
    { class: "terms" },
    spec.description ? [h("dt", null, "What it does"), h("dd", null, spec.description)] : null,
    h("dt", null, "Reads"),
    h("dd", null, sources.length > 0 ? h("ul", null, sources) : "nothing"),
    h("dt", null, "Writes"),
    h("dd", null, sinks.length > 0 ? h("ul", null, sinks) : "nothing"),
  );
}

/** One line: topics → sinks. */
export function summary(spec) {
  const from = spec.sources.map((source) => source.topic).join(", ") || "nothing";
  return `${from} → ${spec.sinks.map(target).join(", ") || "nothing"}`;
}
