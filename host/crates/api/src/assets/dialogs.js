// Dialogs and short messages. A native <dialog> keeps the focus, closes with Escape and gives the focus back.

import { keepToken, Problem, token } from "./api.js";
import { button, field, h, hide, text } from "./dom.js";

/**
 * Opens a dialog. `buttons` go below the body; a press of Enter in a field is `submit`. Returns `{node, close,
 * closed}`: `closed` resolves to what `close` was given, or to null for Escape and the button that only dismisses it. To
 * cancel is what is done to jobs: no dialog is dismissed with that word.
 */
export function open(
  title,
  body,
  { buttons = [], submit = null, dismiss = "Close", wide = false, alert = false } = {},
) {
  const heading = h("h2", { tabindex: "-1", id: `dialog-${(open.next = (open.next ?? 0) + 1)}` }, title);
  const away = h("button", { type: "button", class: "quiet", onclick: () => close(null) }, dismiss);
  const form = h(
    "form",
    { method: "dialog", novalidate: true },
    heading,
    h("div", { class: "body" }, body),
    h("div", { class: "actions" }, away, buttons),
  );
  const node = h(
    "dialog",
    { "aria-labelledby": heading.id, class: wide ? "wide" : null, role: alert ? "alertdialog" : null },
    form,
  );
  let settle;
  const closed = new Promise((resolve) => (settle = resolve));
  let answer = null;
  const close = (value) => {
    answer = value;
    node.close();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit?.();
  });
  node.addEventListener("close", () => {
    node.remove();
    settle(answer);
  });
  document.body.append(node);
  node.showModal();
  // To what can do no harm where something is asked, else to the top, so that all of it is read.
  (alert ? away : heading).focus();
  return { node, close, closed };
}

/** A problem in full: title, every line of detail, and what to do. */
export function problemBox(error) {
  const problem = Problem.of(error);
  return h(
    "div",
    { class: "problem", role: "alert" },
    h("p", { class: "title" }, problem.title),
    problem.lines.length > 0
      ? h(
          "ul",
          null,
          problem.lines.map((line) => h("li", null, line)),
        )
      : null,
    problem.fix ? h("p", { class: "fix" }, h("b", null, "What to do: "), problem.fix) : null,
  );
}

/** Shows a problem in a dialog of its own. */
export function showProblem(title, error) {
  return open(title, problemBox(error), { alert: true }).closed;
}

/** Does something; a failure is shown in full. Resolves to whether it was done. */
export async function attempt(title, work) {
  try {
    await work();
    return true;
  } catch (error) {
    await showProblem(title, error);
    return false;
  }
}

/**
 * Asks before something is done. The work is done while the dialog is open, so that a problem is shown in it.
 * `dismiss` names what is left as it is. Resolves to whether it was done.
 */
export async function confirm(title, body, label, work, attributes, dismiss) {
  const trouble = h("div");
  const act = button(
    label,
    async () => {
      trouble.replaceChildren();
      try {
        await work();
        dialog.close(true);
      } catch (error) {
        trouble.replaceChildren(problemBox(error));
      }
    },
    attributes,
  );
  const dialog = open(title, [body, trouble], { buttons: [act], submit: () => act.click(), alert: true, dismiss });
  return (await dialog.closed) === true;
}

/** Asks for a token; resolves to it, or to null. */
export async function askToken() {
  const why =
    token() === null
      ? "Whoever runs it knows the token: api.token, or api.read_token to look only."
      : "The token was not taken.";
  const input = h("input", { type: "password", autocomplete: "off", spellcheck: "false", required: true });
  keepToken(null);
  const hint = "It is kept in this tab until you close it.";
  const done = () => (input.value.trim() === "" ? input.focus() : dialog.close(input.value.trim()));
  const dialog = open("This host asks for a token", [h("p", null, why), field("Token", input, hint)], {
    buttons: [h("button", { type: "submit", class: "primary" }, "Use it")],
    submit: done,
  });
  input.focus();
  return dialog.closed;
}

let timer = 0;

/** A short message that goes by itself; screen readers say it. */
export function say(message) {
  const toast = document.getElementById("said");
  hide(toast, false);
  text(toast, message);
  clearTimeout(timer);
  timer = setTimeout(() => {
    hide(toast, true);
    text(toast, "");
  }, 6000);
}

/** Says something to screen readers only. */
export function announce(message) {
  text(document.getElementById("announce"), message);
}
