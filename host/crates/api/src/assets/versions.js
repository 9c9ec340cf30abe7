// The versions of a job: what ran when and who wanted it, the way back, and a shadow run of what may come next.

import { attempt, confirm, say } from "./dialogs.js";
import { button, field, h, head, hide, keyed, section, text } from "./dom.js";
import { digest, time } from "./format.js";
import { reloadDialog } from "./reload.js";
import { shadowSection } from "./shadow.js";
import { act } from "./submit.js";

async function rollback(name, to) {
  const why = h("input", { type: "text", autocomplete: "off" });
  let view = null;
  await confirm(
    to === null ? `Roll ${name} back?` : `Roll ${name} back to version ${to}?`,
    [
      h(
        "p",
        null,
        `${to === null ? "The version before" : `Version ${to}`} takes over between two batches; the offsets stay as they are.`,
      ),
      field("Why", why, "kept in the job's history; may be empty"),
    ],
    "Roll back",
    async () => {
      view = await act(name, "rollback", {
        ...(to === null ? {} : { to }),
        ...(why.value.trim() ? { why: why.value.trim() } : {}),
      });
    },
    { class: "primary" },
  );
  if (view) say(`${name} runs version ${view.version} (${view.spec.version})`);
}

/** The panel. */
export function versionsPanel({ store, name, job }) {
  const versions = h("tbody");
  const history = h("ol", { class: "history" });
  const watch = h("p", { class: "hint" });
  const back = button("Roll back…", () => rollback(name, null));
  const own = button("Reload its file", () =>
    attempt(`Reload of ${name} failed`, async () => {
      const view = await act(name, "reload", {});
      say(`${name} runs version ${view.version} (${view.spec.version})`);
    }),
  );
  const frame = (label, columns, body) =>
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "group", "aria-label": label },
      h("table", null, h("caption", { class: "hidden" }, label), head(...columns), body),
    );
  const shadow = shadowSection(store, name);
  const node = h(
    "div",
    null,
    section(
      "Versions",
      h("p", { class: "hint" }, "The components that it has had: each can be brought back."),
      watch,
      h(
        "div",
        { class: "row" },
        button("Reload…", () => reloadDialog(store, name), { class: "primary" }),
        own,
        back,
      ),
      frame("Versions", ["Number", "Declared", "Digest", "Added", "By", "Why", "!Roll back"], versions),
    ),
    shadow.node,
    section("What ran when", h("p", { class: "hint" }, "Every change of the job, the newest first."), history),
  );

  function update() {
    const view = job()?.view;
    if (!view) return;
    text(
      watch,
      view.file
        ? `It came from ${view.file} in usr_jobs: overwriting that file reloads it.`
        : "It came from an upload.",
    );
    hide(own, !view.file);
    hide(back, (view.history ?? []).length < 2);
    keyed(
      versions,
      [...(view.versions ?? [])].reverse(),
      (one) => one.number,
      (one) => versionRow(name, one),
      (row, one) => {
        const runs = one.number === view.version;
        hide(row.mark, !runs);
        hide(row.back, runs);
      },
    );
    keyed(
      history,
      [...(view.history ?? [])].reverse(),
      (one) => `${one.version} ${one.at} ${one.why}`,
      (one) => historyRow({ ...(view.versions ?? []).find((version) => version.number === one.version), ...one }),
    );
    shadow.update(view);
  }
  return { node, update, close: shadow.close };
}

function versionRow(name, one) {
  const mark = h("span", { class: "mark" }, "runs");
  const back = h(
    "button",
    {
      type: "button",
      class: "small",
      "aria-label": `Roll back… to version ${one.number}`,
      onclick: () => rollback(name, one.number),
    },
    "Roll back…",
  );
  return {
    mark,
    back,
    node: h(
      "tr",
      null,
      h("th", { scope: "row" }, one.number),
      h("td", null, one.declared),
      h("td", null, h("code", { title: one.digest }, digest(one.digest))),
      h("td", null, time(one.added)),
      h("td", null, one.by),
      h("td", { class: "long" }, one.why),
      h("td", null, mark, back),
    ),
  };
}

/** An entry of the history, as a step on a line of time. */
function historyRow(one) {
  return {
    node: h(
      "li",
      null,
      h("time", { datetime: one.at }, time(one.at)),
      h(
        "div",
        null,
        h("p", null, h("b", null, one.why || "changed"), h("span", { class: "hint" }, ` by ${one.by}`)),
        h("p", { class: "hint" }, `version ${one.version}, ${one.declared ?? ""} ran from then on`),
      ),
    ),
  };
}
