// What a job is set to: parameters, parallelism, and what it declares.

import { get, of } from "./api.js";
import { declaration } from "./declared.js";
import { problemBox, say } from "./dialogs.js";
import { button, h, hide, section, text } from "./dom.js";
import { time } from "./format.js";
import { act, instancesField } from "./submit.js";
import { valueField } from "./values.js";

/** The panel. */
export function settingsPanel({ name, job }) {
  const fields = h("div");
  const trouble = h("div");
  const few = h("p", { class: "hint" }, "It declares no parameters.");
  const set = button("Set", save, { class: "primary" });
  const form = h("form", null, fields, trouble, h("p", { class: "row" }, set));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    set.click();
  });
  const instances = instancesField();
  const scaled = h("p", { class: "hint" });
  const scaleTrouble = h("div");
  const scale = button("Scale", async () => {
    scaleTrouble.replaceChildren();
    try {
      const view = await act(name, "scale", { parallelism: instances.value() });
      say(`${name} runs with parallelism ${view.parallelism}`);
      dirty = false;
    } catch (error) {
      scaleTrouble.replaceChildren(problemBox(error));
    }
  });
  const scaling = h(
    "form",
    { class: "inline" },
    instances.node,
    scale,
  );
  scaling.addEventListener("submit", (event) => {
    event.preventDefault();
    scale.click();
  });
  let dirty = false;
  instances.input.addEventListener("input", () => (dirty = true));
  const spec = h("div");
  const node = h(
    "div",
    null,
    section("Parameters", few, form),
    section("Parallelism", scaled, scaling, scaleTrouble),
    section("Declared", spec),
  );
  let signature = "";
  let inputs = new Map();

  async function save() {
    trouble.replaceChildren();
    const parameters = {};
    for (const [key, { value, reset }] of inputs) {
      if (reset.checked) parameters[key] = null;
      else if (value.changed()) parameters[key] = value.value();
    }
    if (Object.keys(parameters).length === 0) return say("nothing was changed");
    try {
      await act(name, "set", { parameters });
      say(`${name}: ${Object.keys(parameters).join(", ")} set`);
      signature = "";
      update();
    } catch (error) {
      trouble.replaceChildren(problemBox(error));
    }
  }

  function build(view) {
    inputs = new Map();
    const cut = view.parameters_cut ?? [];
    // Once for all of them.
    let asked = null;
    const whole = () => (asked ??= get(of(name, "/parameters")).catch((error) => ((asked = null), Promise.reject(error))));
    fields.replaceChildren(
      ...view.spec.parameters.map((parameter) => {
        const value = valueField(parameter, view.parameters[parameter.name] ?? "", {
          cut: cut.includes(parameter.name),
          whole,
        });
        const reset = h("input", {
          type: "checkbox",
          id: `default-${inputs.size}`,
          "aria-label": `back to the default of ${parameter.name}`,
        });
        reset.addEventListener("change", () => value.instead(reset.checked ? parameter.default : null));
        inputs.set(parameter.name, { value, reset });
        const hasDefault = typeof parameter.default === "string";
        return h(
          "div",
          { class: "parameter" },
          value.node,
          hasDefault ? h("p", { class: "check" }, reset, h("label", { for: reset.id }, "default")) : null,
        );
      }),
    );
    hide(few, view.spec.parameters.length > 0);
    hide(form, view.spec.parameters.length === 0);
    spec.replaceChildren(declaration(view.spec));
  }

  function update() {
    const view = job()?.view;
    if (!view) return;
    // What somebody types is not overwritten, unless the job itself was set anew.
    const now = JSON.stringify([view.spec, view.parameters, view.parameters_cut]);
    if (now !== signature) build(view);
    signature = now;
    if (!dirty && document.activeElement !== instances.input) instances.input.value = view.parallelism;
    hide(scaled, !view.scaled);
    if (view.scaled) {
      const { most, since, reason } = view.scaled;
      text(scaled, `auto: ${view.instances} of at most ${most}, since ${time(since)}, because ${reason}`);
    }
  }
  return { node, update };
}
