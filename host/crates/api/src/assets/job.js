// One job: its state with the reason in full, what can be done with it, and a panel of its own for each thing to see.

import { of, send } from "./api.js";
import { attempt, confirm, say } from "./dialogs.js";
import { attribute, button, h, hide, keyed, text } from "./dom.js";
import { ago, count, plural, time } from "./format.js";
import { lettersPanel } from "./letters.js";
import { livePanel } from "./live.js";
import { logsPanel } from "./logs.js";
import { badge } from "./overview.js";
import { recordsPanel } from "./records.js";
import { reloadDialog, reloadWith } from "./reload.js";
import { seekDialog } from "./seek.js";
import { settingsPanel } from "./settings.js";
import { act, dropTarget } from "./submit.js";
import { versionsPanel } from "./versions.js";

const PANELS = {
  "": { title: "Flow", make: livePanel },
  records: { title: "Records", make: recordsPanel },
  "dead-letters": { title: "Dead letters", make: lettersPanel },
  versions: { title: "Versions", make: versionsPanel },
  settings: { title: "Settings", make: settingsPanel },
  logs: { title: "Logs", make: logsPanel },
};

function conditionRow() {
  const part = h("b");
  const since = h("span", { class: "hint" });
  const reason = h("pre", { class: "full" });
  return { node: h("li", null, h("p", null, part, " ", since), reason), part, since, reason };
}

async function cancel(name) {
  const view = await confirm(
    `Cancel ${name}?`,
    [
      h("p", null, "It finishes what is in flight, commits its offsets, and this host runs it no more."),
      h(
        "p",
        null,
        "The offsets stay in Kafka: submitted again, it goes on where it was. To stop it for a while, pause it instead.",
      ),
    ],
    "Cancel the job",
    () => send("DELETE", of(name)),
    { class: "danger" },
    "Keep the job",
  );
  if (!view) return;
  say(`${name} is cancelled`);
  location.hash = "#/";
}

/** The view of a job: `{node, title, update, show, close}`. */
export function jobView({ store, now, name }) {
  const closed = new AbortController();
  const context = { store, now, name, job: () => store.jobs.get(name) };
  const state = badge();
  const what = h("p", { class: "what" });
  const verb = (label, does, said, attributes) =>
    button(
      label,
      () =>
        attempt(`${name}: ${does} failed`, async () => {
          await act(name, does);
          say(said);
        }),
      attributes,
    );
  const pause = verb("Pause", "pause", `${name} is paused`);
  const resume = verb("Resume", "resume", `${name} goes on`);
  const seek = button("Seek…", () => seekDialog(name));
  const actions = h(
    "div",
    { class: "row actions" },
    pause,
    resume,
    seek,
    button("Reload…", () => reloadDialog(store, name)),
    button("Cancel…", () => cancel(name), { class: "danger" }),
  );
  const probation = h("p", { class: "notice" });
  const conditions = h("ul", { class: "conditions", "aria-label": "What is wrong" });
  const links = Object.entries(PANELS).map(([key, { title }]) => {
    const more = h("span", { class: "count" });
    return {
      key,
      more,
      node: h("a", { href: `#/jobs/${encodeURIComponent(name)}${key ? `/${key}` : ""}` }, title, more),
    };
  });
  const place = h("div", { class: "panel" });
  const here = h(
    "div",
    null,
    h("div", { class: "head" }, what, actions),
    probation,
    conditions,
    h(
      "nav",
      { class: "tabs", "aria-label": `Parts of ${name}` },
      links.map((link) => link.node),
    ),
    place,
  );
  const missing = h("p", { class: "empty" }, `There is no job ${name} on this host, or not any more.`);
  const node = h(
    "div",
    { class: "one" },
    h("p", { class: "crumb" }, h("a", { href: "#/" }, "← All jobs")),
    h("h1", { tabindex: "-1" }, name, " ", state.node),
    missing,
    here,
  );
  let panel = null;
  dropTarget(`Drop a component to reload ${name} with it`, (file) => reloadWith(name, file), closed.signal);

  function show(key) {
    const chosen = PANELS[key] ? key : "";
    if (panel?.key === chosen) return;
    panel?.close?.();
    panel = { key: chosen, ...PANELS[chosen].make(context) };
    place.replaceChildren(panel.node);
    for (const link of links) attribute(link.node, "aria-current", link.key === chosen ? "page" : null);
    update();
  }

  function update() {
    const view = context.job()?.view;
    hide(here, !view);
    hide(state.node, !view);
    hide(missing, Boolean(view) || !store.known);
    if (!view) return;
    state.set(view.state);
    text(
      what,
      [
        `version ${view.version ?? "–"} (${view.spec.version})`,
        plural(view.instances, "instance"),
        `group ${view.group}`,
        `submitted ${time(view.submitted)}`,
        view.spec.description,
      ]
        .filter(Boolean)
        .join(" · "),
    );
    const paused = view.state === "paused";
    hide(pause, paused);
    hide(resume, !paused);
    hide(seek, !paused);
    hide(probation, !view.probation);
    if (view.probation) {
      const { batches, of: all, failed } = view.probation;
      text(
        probation,
        `On probation: ${batches} of ${all} batches done, ${failed} failed. If too many fail, the version before comes back by itself.`,
      );
    }
    hide(conditions, view.conditions.length === 0);
    keyed(
      conditions,
      view.conditions,
      (one) => one.part,
      conditionRow,
      (row, one) => {
        attribute(row.node, "data-state", one.state);
        text(row.part, one.part);
        // A condition with which the job runs is a notice.
        const state = one.state === "running" ? "" : `${one.state}, `;
        text(row.since, `${state}since ${time(one.since)} (${ago(one.since)})`);
        text(row.reason, one.reason);
      },
    );
    for (const link of links)
      if (link.key === "dead-letters")
        text(link.more, view.counts.dead_letters > 0 ? ` ${count(view.counts.dead_letters)}` : "");
    panel?.update?.();
  }

  function close() {
    closed.abort();
    panel?.close?.();
  }
  return { node, title: () => name, update, show, close };
}
