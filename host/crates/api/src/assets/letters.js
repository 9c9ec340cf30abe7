// Dead letters: how many for which reason, each with its raw bytes, and the way back through the job.

import { get, of, send } from "./api.js";
import { confirm, problemBox, say } from "./dialogs.js";
import { button, field, h, head, hide, keyed, section, text } from "./dom.js";
import { base64, bytes, count, hex, plural, time } from "./format.js";
import { purgeDialog } from "./purge.js";

/** Letters shown at first, and how many more each time; the host gives a thousand at most. */
const PAGE = 50;
const MOST = 1000;
const STAGES = ["reject", "guest", "sink"];
/** Minutes back, by what it is called. */
const TIMES = { "any time": "", "10 minutes": 10, "1 hour": 60, "1 day": 1440, "1 week": 10_080 };

/** What names a letter: where it is in the dead-letter topic, or its file where it was too large for that. */
const id = (letter) => letter.file ?? `${letter.partition}/${letter.offset}`;
const key = (letter) => (letter.file ? { file: letter.file } : { partition: letter.partition, offset: letter.offset });
const path = (letter) =>
  letter.file ? `files/${encodeURIComponent(letter.file)}` : `${letter.partition}/${letter.offset}`;
const preview = (part) => (part ? (part.text ?? `${bytes(part.size)} of bytes`) : "null");

/** A part of a record, as text where it is text, and as bytes. */
function raw(name, part) {
  if (!part) return [h("dt", null, name), h("dd", { class: "hint" }, "null")];
  const data = base64(part.base64);
  const isText = typeof part.text === "string";
  const pre = (value, how) =>
    h("pre", { class: "full", tabindex: "0", role: "group", "aria-label": `${name} ${how}` }, value);
  return [
    h("dt", null, name),
    h(
      "dd",
      null,
      h("p", { class: "hint" }, `${bytes(part.size)}${isText ? "" : ", not shown as text"}`),
      isText ? pre(part.text, "as text") : null,
      data.length > 0
        ? h("details", { open: !isText }, h("summary", null, `${name} as bytes`), pre(hex(data), "as bytes"))
        : null,
    ),
  ];
}

function whole(letter) {
  const headers = (letter.headers ?? []).map((header) => [
    h("dt", null, header.name),
    h("dd", null, header.text ?? (header.base64 ? hex(base64(header.base64), 256) : "null")),
  ]);
  const term = (name, value) => [h("dt", null, name), h("dd", null, value)];
  return h(
    "div",
    { class: "letter" },
    h(
      "pre",
      { class: "full", tabindex: "0", role: "group", "aria-label": "Reason in full" },
      [letter.reason, letter.stack].filter(Boolean).join("\n"),
    ),
    h(
      "dl",
      { class: "pairs" },
      term(
        "record",
        `${letter.source.topic}, partition ${letter.source.partition}, offset ${count(letter.source.offset)}`,
      ),
      letter.place ? term("place in the source", letter.place) : null,
      term("its time", time(letter.timestamp)),
      term("job's version", letter.version ?? "–"),
      letter.redriven ? term("redriven", time(letter.redriven)) : null,
      letter.redriven_from ? term("made by the redrive of", letter.redriven_from) : null,
      letter.file ? term("kept in the file", letter.file) : null,
      raw("key", letter.key),
      raw("value", letter.value),
    ),
    headers.length > 0 ? [h("h3", null, "Headers"), h("dl", { class: "pairs" }, headers)] : null,
  );
}

/** The panel. */
export function lettersPanel({ name, job }) {
  const closed = new AbortController();
  const stage = h(
    "select",
    null,
    h("option", { value: "" }, "any"),
    STAGES.map((one) => h("option", { value: one }, one)),
  );
  const reason = h("input", { type: "search", autocomplete: "off", spellcheck: "false" });
  const version = h("input", { type: "search", autocomplete: "off", spellcheck: "false", size: "8" });
  const since = h(
    "select",
    null,
    Object.entries(TIMES).map(([name, minutes]) => h("option", { value: minutes }, name)),
  );
  const filters = h(
    "form",
    { class: "filters" },
    field("Stage", stage),
    field("Reason has", reason),
    field("Version", version),
    field("Written within", since),
  );
  const trouble = h("div");
  const none = h("p", { class: "empty" });
  const reasons = h("tbody");
  const counts = h(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": "Counts per reason" },
    h(
      "table",
      null,
      h("caption", { class: "hidden" }, "Dead letters per reason"),
      head("Stage", "Reason", "#Letters", "#Redriven", "!Show"),
      reasons,
    ),
  );
  const by_reason = h("div", null, h("h3", null, "Why: letters by reason"), counts);
  const newest = h("h3", null, "The letters, newest first");
  const list = h("ul", { class: "letters" });
  const more = button("Show more", () => ((limit += PAGE), load()));
  const fresh = button("New letters have come: show them", () => load(), { class: "notice" });
  const all = button("Redrive all…", redriveAll);
  const purge = button("Purge…", () => purgeDialog(name).then((purged) => purged && load()), { class: "danger" });
  const total = h("span", { class: "hint", role: "status" });
  const notes = h("ul", { class: "hint" });
  const node = section(
    "Dead letters",
    h(
      "p",
      { class: "hint" },
      `Records that could not go on, kept whole in the topic ${name}.dlq. Redriven, they go through the version that runs now; each once.`,
    ),
    filters,
    h("div", { class: "row" }, total, all, purge),
    trouble,
    fresh,
    notes,
    by_reason,
    newest,
    list,
    none,
    more,
  );
  let limit = PAGE;
  let seen = null;
  let asked = 0;
  [by_reason, newest, more, fresh, all, purge].forEach((one) => hide(one, true));

  const from = () => (since.value ? new Date(Date.now() - since.value * 60_000).toISOString() : "");
  const filter = () =>
    Object.fromEntries(
      [
        ["stage", stage.value],
        ["reason", reason.value.trim()],
        ["version", version.value.trim()],
        ["since", from()],
      ].filter(([, value]) => value),
    );
  filters.addEventListener("submit", (event) => event.preventDefault());
  let typing = 0;
  filters.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => load(), 250);
  });

  async function load() {
    const mine = ++asked;
    seen = job()?.view.counts.dead_letters ?? null;
    hide(fresh, true);
    try {
      const found = await get(of(name, `/dead-letters?${new URLSearchParams({ ...filter(), limit })}`), closed.signal);
      // An answer that was overtaken by a later question is of no use.
      if (mine === asked) show(found);
    } catch (error) {
      if (!closed.signal.aborted && mine === asked) trouble.replaceChildren(problemBox(error));
    }
  }

  function show(found) {
    trouble.replaceChildren();
    const filtered = Object.keys(filter()).length > 0;
    text(
      total,
      found.total > 0
        ? `${plural(found.total, filtered ? "letter that fits" : "letter", filtered ? "letters that fit" : "letters")}${found.redriven > 0 ? `, ${count(found.redriven)} of them redriven` : ""}`
        : "",
    );
    hide(none, found.letters.length > 0);
    text(none, filtered ? "No dead letter fits the filter." : "No dead letters: every record went through.");
    hide(by_reason, found.reasons.length === 0);
    hide(newest, found.letters.length === 0);
    hide(all, found.total === (found.redriven ?? 0));
    // With a filter on, there may be others: purging goes by time alone.
    hide(purge, found.total === 0 && !filtered);
    hide(more, !found.next || limit >= MOST);
    note(found);
    text(all, filtered ? "Redrive all that fit…" : "Redrive all…");
    keyed(
      reasons,
      found.reasons,
      (one) => `${one.stage} ${one.reason}`,
      reasonRow,
      (row, one) => {
        text(row.count, count(one.count));
        text(row.done, count(one.redriven));
      },
    );
    keyed(list, found.letters, id, letterRow, (row, letter) => {
      hide(row.again, Boolean(letter.redriven));
      text(row.mark, letter.redriven ? `redriven ${time(letter.redriven)}` : "");
    });
  }

  /** What else the host found where the letters are. */
  function note(found) {
    const said = [...(found.damaged ?? [])];
    if (found.foreign > 0)
      said.push(`${plural(found.foreign, "record")} in the topic did not come from Pelton and are left alone`);
    notes.replaceChildren(...said.map((line) => h("li", null, line)));
  }

  function reasonRow(one) {
    const number = h("td", { class: "number" });
    const done = h("td", { class: "number" });
    const only = h(
      "button",
      {
        type: "button",
        class: "small",
        onclick: () => ((stage.value = one.stage), (reason.value = one.reason), load()),
      },
      "Only these",
      h("span", { class: "hidden" }, `: ${one.stage}, ${one.reason}`),
    );
    return {
      count: number,
      done,
      node: h(
        "tr",
        null,
        h("td", null, one.stage),
        h("td", { class: "long" }, one.reason),
        number,
        done,
        h("td", null, only),
      ),
    };
  }

  function letterRow(letter) {
    const mark = h("span", { class: "mark" });
    const again = button(
      "Redrive",
      async () => {
        trouble.replaceChildren();
        try {
          done(await send("POST", of(name, "/dead-letters/redrive"), { letters: [key(letter)] }));
          await load();
        } catch (error) {
          trouble.replaceChildren(problemBox(error));
        }
      },
      { class: "small", "aria-label": `Redrive letter ${id(letter)}` },
    );
    const body = h("div");
    const fold = h(
      "details",
      null,
      h(
        "summary",
        null,
        h("span", { class: "stage", "data-stage": letter.stage }, letter.stage),
        h("time", { datetime: letter.at }, time(letter.at)),
        h("span", { class: "why" }, letter.reason),
        h("span", { class: "peek" }, preview(letter.value)),
      ),
      body,
    );
    fold.addEventListener("toggle", async () => {
      if (!fold.open || body.childElementCount > 0) return;
      try {
        body.replaceChildren(whole(await get(of(name, `/dead-letters/${path(letter)}`), closed.signal)));
      } catch (error) {
        body.replaceChildren(problemBox(error));
      }
    });
    return { mark, again, node: h("li", null, fold, h("div", { class: "row" }, mark, again)) };
  }

  function done(answer) {
    const parts = [`${plural(answer.redriven, "letter")} redriven`];
    if (answer.again > 0) parts.push(`${count(answer.again)} became dead letters again`);
    if (answer.skipped > 0) parts.push(`${count(answer.skipped)} had been redriven before`);
    if (answer.not_read > 0) parts.push(`${count(answer.not_read)} left alone: this version does not read their topic`);
    say(parts.join(", "));
  }

  async function redriveAll() {
    const of_them = filter();
    const what = Object.keys(of_them).length > 0 ? "all dead letters that fit the filter" : "all dead letters";
    let answer = null;
    await confirm(
      `Redrive ${what}?`,
      h(
        "p",
        null,
        `They go through the version of ${name} that runs now, each once; those that were redriven before are left out. What is refused again becomes a dead letter again.`,
      ),
      "Redrive",
      async () => {
        answer = await send("POST", of(name, "/dead-letters/redrive"), { all: true, ...of_them });
      },
      { class: "primary" },
    );
    if (!answer) return;
    done(answer);
    await load();
  }

  load();
  return {
    node,
    // The list is not pulled away under somebody who reads it.
    update: () => hide(fresh, seen === null || (job()?.view.counts.dead_letters ?? 0) <= seen),
    close() {
      closed.abort();
      clearTimeout(typing);
    },
  };
}
