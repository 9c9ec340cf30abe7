// The last records in and out of a job: a sample, off by default, redacted by the host's setting.

import { get, of } from "./api.js";
import { problemBox } from "./dialogs.js";
import { h, hide, keyed, section } from "./dom.js";
import { time } from "./format.js";

const EVERY = 1500;
/** Samples shown at most, newest first. */
const SHOWN = 40;

function row(sample) {
  const pre = (value, label) => h("pre", { class: "full", tabindex: "0", role: "group", "aria-label": label }, value);
  const where = `${sample.topic} ${sample.partition}/${sample.offset}`;
  const outs = (sample.out ?? []).map((one) => [
    h("dt", null, `→ ${one.sink}`),
    h("dd", null, pre(one.value, `to ${one.sink}, of ${where}`)),
  ]);
  const verdict = sample.rejected
    ? [h("dt", { class: "bad" }, "rejected"), h("dd", null, sample.rejected)]
    : outs.length === 0
      ? [h("dt", null, "→"), h("dd", { class: "hint" }, "nothing: the job left it out")]
      : outs;
  const { key, value } = sample.in ?? {};
  return {
    node: h(
      "li",
      { class: "sample" },
      h("p", { class: "hint" }, h("b", null, where), ` · ${time(sample.at)}`),
      h(
        "dl",
        { class: "pairs" },
        key === undefined || key === null ? null : [h("dt", null, "key"), h("dd", null, pre(key, `key of ${where}`))],
        h("dt", null, "in"),
        h(
          "dd",
          null,
          value === undefined || value === null
            ? h("span", { class: "hint" }, "null")
            : pre(value, `value of ${where}`),
        ),
        verdict,
      ),
    ),
  };
}

/** The panel. */
export function recordsPanel({ name }) {
  const closed = new AbortController();
  const trouble = h("div");
  const off = h(
    "div",
    { class: "notice" },
    h("p", null, "Sampling is off, as it is by default: records may hold what not everybody should see."),
    h(
      "p",
      null,
      "To switch it on, set this in the host's configuration and start the host again; fields that are named are redacted.",
    ),
    h("pre", { class: "code" }, '[samples]\non = true\nredact = ["message_id"]'),
  );
  const none = h("p", { class: "hint" }, "No record has come since the host started.");
  const list = h("ul", { class: "samples" });
  const hold = h("input", { type: "checkbox", id: "hold" });
  const controls = h("p", { class: "check" }, hold, h("label", { for: "hold" }, "Hold still"));
  [off, none, controls].forEach((one) => hide(one, true));
  const node = section("Last records in and out", controls, trouble, off, none, list);

  async function look() {
    if (!hold.checked && !document.hidden) {
      try {
        const { on, samples } = await get(of(name, "/samples"), closed.signal);
        trouble.replaceChildren();
        hide(off, on);
        hide(controls, !on);
        hide(none, !on || samples.length > 0);
        keyed(
          list,
          samples.slice(-SHOWN).reverse(),
          (one) => `${one.topic} ${one.partition} ${one.offset} ${one.at}`,
          row,
        );
      } catch (error) {
        if (closed.signal.aborted) return;
        trouble.replaceChildren(problemBox(error));
      }
    }
    if (!closed.signal.aborted) timer = setTimeout(look, EVERY);
  }
  let timer = 0;
  look();
  return {
    node,
    close() {
      closed.abort();
      clearTimeout(timer);
    },
  };
}
