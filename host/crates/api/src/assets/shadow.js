// A shadow run: another version reads the live records beside the one that runs and writes nothing; what would differ
// is told.

import { get, of, Problem, send } from "./api.js";
import { problemBox } from "./dialogs.js";
import { button, field, h, hide, section, table } from "./dom.js";
import { count, plural } from "./format.js";
import { chooser } from "./reload.js";

const EVERY = 1000;

function side(texts, label) {
  const value = texts.length > 0 ? texts.join("\n") : "nothing";
  return h("td", null, h("pre", { class: "full", tabindex: "0", role: "group", "aria-label": label }, value));
}

/** A report as elements. */
function report(found) {
  const sinks = (found.sinks ?? []).map((sink) =>
    h(
      "tr",
      null,
      h("th", { scope: "row" }, sink.name),
      h("td", { class: "number" }, count(sink.now)),
      h("td", { class: "number" }, count(sink.then)),
      h(
        "td",
        { class: "number" },
        sink.then === sink.now ? "same" : `${sink.then > sink.now ? "+" : "−"}${count(Math.abs(sink.then - sink.now))}`,
      ),
    ),
  );
  const first = (found.first ?? []).map((one) => {
    const where = `${one.topic} ${one.partition}/${one.offset}`;
    return h(
      "tr",
      null,
      h("th", { scope: "row" }, where),
      h("td", null, one.sink),
      side(one.now, `${where} now`),
      side(one.then, `${where} then`),
    );
  });
  const verdict =
    found.differing === 0 && found.failures === 0
      ? "nothing differs"
      : `${plural(found.differing, "record differs", "records differ")}, ${plural(found.failures, "failure")}`;
  return [
    found.error ? problemBox(new Problem({ title: "the shadow run ended", detail: found.error })) : null,
    h(
      "p",
      null,
      h("b", null, `${found.declared ?? ""} ${found.running ? "runs in the shadow" : "has run"}: `),
      `${plural(found.records, "record")} compared, ${verdict}${found.skipped > 0 ? `, ${count(found.skipped)} left out` : ""}.`,
    ),
    sinks.length > 0
      ? table("Outputs per sink", ["Sink", "#Now", "#Then", "#Difference"], h("tbody", null, sinks))
      : null,
    first.length > 0
      ? [
          h("h3", null, "First records that differ"),
          table("First records that differ", ["Record", "Sink", "Now", "Then"], h("tbody", null, first)),
        ]
      : null,
  ]
    .flat()
    .filter(Boolean);
}

/** The section; it shows a run that goes on already, or the last one, once `update` is given a view that says so. */
export function shadowSection(store, name) {
  const closed = new AbortController();
  const seconds = h("input", { type: "number", min: "1", max: "3600", value: "30" });
  const trouble = h("div");
  const place = h("div", { class: "report" });
  const form = h("div");
  let choice = null;
  let timer = 0;
  let seen = false;
  const start = button(
    "Start",
    async () => {
      trouble.replaceChildren();
      const chosen = choice?.value();
      if (!chosen)
        return trouble.replaceChildren(
          problemBox(new Problem({ title: "no version is chosen", detail: "choose a file first" })),
        );
      try {
        show(
          await send("POST", of(name, "/shadow"), {
            ...chosen,
            seconds: Math.max(1, Math.floor(Number(seconds.value)) || 30),
          }),
        );
      } catch (error) {
        trouble.replaceChildren(problemBox(error));
      }
    },
    { class: "primary" },
  );
  const end = button("End it", async () => {
    try {
      await send("DELETE", of(name, "/shadow"));
      await look();
    } catch (error) {
      trouble.replaceChildren(problemBox(error));
    }
  });
  hide(end, true);
  // The files may not be known yet when this is built: the choice is made when it is first opened.
  const fold = h(
    "details",
    { class: "fold" },
    h("summary", null, "Try another version"),
    form,
    field("Seconds", seconds),
    h("p", { class: "row" }, start),
  );
  fold.addEventListener("toggle", () => {
    if (!fold.open || choice) return;
    choice = chooser(store, name);
    form.replaceChildren(choice.node);
  });
  const node = section(
    "Shadow run",
    h(
      "p",
      { class: "hint" },
      "Runs another version on the live records beside this one, writes nothing, and tells what would differ.",
    ),
    fold,
    trouble,
    place,
    h("p", { class: "row" }, end),
  );

  function show(found) {
    if (closed.signal.aborted || !found) return;
    place.replaceChildren(...report(found));
    hide(end, !found.running);
    clearTimeout(timer);
    if (found.running) timer = setTimeout(look, EVERY);
  }

  async function look() {
    try {
      show(await get(of(name, "/shadow"), closed.signal));
    } catch (error) {
      if (closed.signal.aborted) return;
      // The job was started again meanwhile.
      if (error.code === "no-shadow") hide(end, true);
      else trouble.replaceChildren(problemBox(error));
    }
  }
  return {
    node,
    /** Asks only where there is something: a browser tells of every refusal in its console. */
    update(view) {
      if (seen || !view.shadow) return;
      seen = true;
      look();
    },
    close() {
      closed.abort();
      clearTimeout(timer);
    },
  };
}
