// A parameter's value: a text area that grows with it, or the content of a file. What the host has cut is only shown
// until the whole of it is there, so that no part of a value is ever written back as if it were all of it.

import { Problem } from "./api.js";
import { problemBox } from "./dialogs.js";
import { attribute, button, field, fileButton, h, hide, text } from "./dom.js";
import { bytes } from "./format.js";

/** Bytes of a file that is taken, which is more than a value has: the host says what it takes. */
const MOST = 16 << 20;
/** Characters of a file's text above which a browser takes its time to lay it out, and those that are shown then. */
const LONG = 1 << 16;
const SHOWN = 1024;
/** Lines that are shown where a browser doesn't size text areas by what is in them. */
const ROWS = 12;
/** Characters of a default that are told. */
const TOLD = 80;

/** What is said of a parameter beside its value. */
function hint(parameter) {
  const { default: value } = parameter;
  const known = typeof value === "string";
  const line = known ? value.replace(/\s+/g, " ") : "";
  const told = line.length > TOLD ? `${line.slice(0, TOLD)}…` : line || "empty";
  return [parameter.description, known ? `default: ${told}` : "must be set"].filter(Boolean).join(" · ");
}

/** The text of a file; a file that isn't text is refused. */
async function read(file) {
  if (file.size > MOST)
    throw new Problem({ title: `${file.name} is too large`, detail: `${bytes(file.size)}: no value has so much` });
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await file.arrayBuffer());
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Problem({ title: `${file.name} is not text`, detail: "a value is text in UTF-8" });
  }
}

/**
 * A field for a value; `whole()` gets all of it where it is `cut`. `{node, value, changed, instead}`: `value()` is the
 * text to the letter, line ends as they were; `changed()` says whether it is another than was given.
 */
export function valueField(parameter, given, { cut = false, whole = null } = {}) {
  const input = h("textarea", {
    spellcheck: "false",
    autocomplete: "off",
    required: typeof parameter.default !== "string",
  });
  const told = h("span", { class: "hint", role: "status" });
  const trouble = h("div");
  let was = given;
  // What is in the field: the text to the letter, whether that is all of the value, and whether all of it is shown.
  let now = { text: given, held: !cut, shown: !cut, said: "" };
  let before = null;

  function show(next) {
    now = next;
    input.value = now.shown ? now.text : now.text.slice(0, SHOWN);
    input.rows = Math.min(ROWS, input.value.split("\n", ROWS).length);
    input.readOnly = !now.shown;
    attribute(input, "data-cut", now.shown ? null : "yes");
    hide(all, now.shown);
    text(all, now.held ? "Edit it here" : "Whole value");
    attribute(all, "aria-label", `${all.textContent}: ${parameter.name}`);
    text(told, now.said);
  }
  input.addEventListener("input", () => {
    const crlf = now.text.includes("\r\n") && !/(^|[^\r])\n/.test(now.text);
    // A text area knows one kind of line end.
    now.text = crlf ? input.value.replaceAll("\n", "\r\n") : input.value;
    now.said = "";
    text(told, "");
  });
  // Enter is a line break here.
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) input.form?.requestSubmit();
  });

  const tries = async (work) => {
    trouble.replaceChildren();
    try {
      await work();
    } catch (error) {
      trouble.replaceChildren(problemBox(error));
    }
  };
  const all = button(
    "",
    () =>
      tries(async () => {
        if (!now.held) {
          const value = (await whole())[parameter.name];
          if (typeof value !== "string") throw new Problem({ title: `the host has no value of ${parameter.name}` });
          // Meanwhile a file may have taken its place.
          if (now.held) return;
          was = value;
          now = { text: value, held: true, said: `all of it, ${bytes(new Blob([value]).size)}` };
        }
        show({ ...now, shown: true });
        input.focus();
      }),
    { class: "small" },
  );
  const choose = fileButton(
    "From a file…",
    (file) =>
      tries(async () => {
        const value = await read(file);
        const shown = value.length <= LONG;
        const said = `${file.name}, ${bytes(file.size)}${shown ? "" : ", of which the beginning is shown"}`;
        show({ text: value, held: true, shown, said });
      }),
    { class: "small", "aria-label": `From a file… as ${parameter.name}` },
  );
  show({ ...now, said: cut ? "cut: only its beginning is shown" : "" });
  const node = h(
    "div",
    { class: "value" },
    field(parameter.name, input, hint(parameter)),
    h("p", { class: "row" }, choose, all, told),
    trouble,
  );
  return {
    node,
    value: () => now.text,
    changed: () => now.held && now.text !== was,
    /** Shows another text in the place of the value, which can't be changed meanwhile; null brings the value back. */
    instead: (other) => {
      if (other !== null) before = now;
      for (const one of [input, ...node.querySelectorAll("button")]) one.disabled = other !== null;
      show(other === null ? before : { text: other, held: true, shown: true, said: "" });
    },
  };
}
