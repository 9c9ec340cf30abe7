// Elements without markup: every text becomes a text node, so what a job or a record says can't become part of the
// page.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element. Attributes that begin with `on` are listeners; `true` sets and `false`, null leave out an attribute.
 */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Sets a text where it changed: a selection in it, and the browser's layout, survive what did not. */
export function text(node, value) {
  const wanted = String(value);
  if (node.textContent !== wanted) node.textContent = wanted;
}

/** Sets an attribute where it changed; null removes it. */
export function attribute(node, name, value) {
  if (value === null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Sets whether an element is hidden, where that changed. */
export function hide(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

const known = new WeakMap();

/**
 * Makes the children of `parent` follow `items`: `make(item)` gives `{node, …}` for a new key, `update(row, item)`
 * renews a row. Rows that stay are not touched, so that the focus stays in them.
 */
export function keyed(parent, items, key, make, update) {
  const before = known.get(parent) ?? new Map();
  const wanted = new Map(items.map((item) => [key(item), item]));
  for (const [name, row] of before) {
    if (!wanted.has(name)) {
      row.node.remove();
      before.delete(name);
    }
  }
  const after = new Map();
  let place = parent.firstElementChild;
  for (const [name, item] of wanted) {
    const row = before.get(name) ?? make(item);
    after.set(name, row);
    update?.(row, item);
    if (row.node === place) place = place.nextElementSibling;
    else parent.insertBefore(row.node, place);
  }
  known.set(parent, after);
  return after;
}

/**
 * A table's head. A column that begins with `#` is of numbers; one that begins with `!` is named for screen readers
 * only.
 */
export function head(...columns) {
  const cell = (name) => {
    if (name.startsWith("#")) return h("th", { scope: "col", class: "number" }, name.slice(1));
    if (name.startsWith("!")) return h("th", { scope: "col" }, h("span", { class: "hidden" }, name.slice(1)));
    return h("th", { scope: "col" }, name);
  };
  return h("thead", null, h("tr", null, columns.map(cell)));
}

/** A table that scrolls sideways by itself where the window is narrow. */
export function table(label, columns, body) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": label },
    h("table", null, h("caption", { class: "hidden" }, label), head(...columns), body),
  );
}

/** A section with a heading. */
export function section(title, ...children) {
  return h("section", { "aria-label": title, class: "card" }, h("h2", null, title), children);
}

/** A button; while its work goes on it can't be pressed again. */
export function button(label, work, attributes) {
  const node = h("button", { type: "button", ...attributes }, label);
  node.addEventListener("click", async () => {
    node.disabled = true;
    try {
      await work();
    } finally {
      const lost = document.activeElement === document.body;
      node.disabled = false;
      if (lost && node.isConnected) node.focus();
    }
  });
  return node;
}

/** A button that opens the browser's choice of files, for those who do not drop. */
export function fileButton(label, chosen, attributes, accept = null) {
  const input = h("input", { type: "file", accept, class: "hidden", tabindex: "-1", "aria-hidden": "true" });
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = "";
    if (file) chosen(file);
  });
  return [h("button", { type: "button", ...attributes, onclick: () => input.click() }, label), input];
}

/** What a file with a component is, for the browser's choice of files. */
export const WASM = ".wasm,application/wasm";

/** A label with its field, and a hint where there is one. */
export function field(label, input, hint) {
  const id = `field-${(field.next = (field.next ?? 0) + 1)}`;
  input.id = id;
  if (hint) input.setAttribute("aria-describedby", `${id}-hint`);
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    input,
    hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null,
  );
}
