// Purging dead letters: what would be lost is counted and named before anything is.

import { get, of, send } from "./api.js";
import { confirm, problemBox, say } from "./dialogs.js";
import { field, h, text } from "./dom.js";
import { count, plural } from "./format.js";

/** Days back, by what it is called. */
const AGES = { "all of them": 0, "older than a day": 1, "older than a week": 7, "older than 30 days": 30 };

/** Asks, with what is lost, and purges. Resolves to whether it was done. */
export async function purgeDialog(name) {
  const age = h(
    "select",
    null,
    Object.entries(AGES).map(([words, days]) => h("option", { value: days }, words)),
  );
  const loss = h("div", { class: "notice", role: "status" }, "Counting …");
  const gone = new AbortController();
  let before = null;
  let asked = 0;

  async function look() {
    const mine = ++asked;
    const days = Number(age.value);
    // The very time that is purged by, so that what is counted is what goes.
    before = days > 0 ? new Date(Date.now() - days * 86_400_000).toISOString() : null;
    text(loss, "Counting …");
    try {
      const found = await get(
        of(name, `/dead-letters?${new URLSearchParams({ limit: 1, ...(before ? { until: before } : {}) })}`),
        gone.signal,
      );
      if (mine === asked) loss.replaceChildren(...told(found));
    } catch (error) {
      if (mine === asked && !gone.signal.aborted) loss.replaceChildren(problemBox(error));
    }
  }

  age.addEventListener("change", look);
  look();
  const done = await confirm(
    `Purge dead letters of ${name}?`,
    [
      h(
        "p",
        null,
        `They are deleted from the topic ${name}.dlq and from this host's files, for good. The filter of the list does not matter here.`,
      ),
      field("Which", age),
      loss,
    ],
    "Purge for good",
    async () => {
      const { purged } = await send("POST", of(name, "/dead-letters/purge"), before ? { before } : {});
      say(`${plural(purged, "dead letter")} purged`);
    },
    { class: "danger" },
  );
  gone.abort();
  return done;
}

/** What is lost, in words. */
function told({ total, redriven, reasons }) {
  if (total === 0) return [h("p", null, "There is none.")];
  const lost = total - redriven;
  const stages = new Map();
  for (const one of reasons) stages.set(one.stage, (stages.get(one.stage) ?? 0) + one.count - one.redriven);
  const by = [...stages].filter(([, number]) => number > 0).map(([stage, number]) => `${count(number)} by ${stage}`);
  return [
    h("p", null, `${plural(total, "dead letter")} would be deleted.`),
    lost === 0
      ? h("p", null, "All of them were redriven.")
      : h(
          "p",
          null,
          h("b", null, `${count(lost)} of them ${lost === 1 ? "was" : "were"} never redriven and would be lost`),
          ` (${by.join(", ")}): Pelton keeps no other copy of these records.`,
        ),
  ];
}
