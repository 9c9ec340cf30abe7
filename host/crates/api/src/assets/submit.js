// Submit: a file is uploaded, what it declares is shown with its parameters to fill in, and only then it starts.

import { of, send, upload } from "./api.js";
import { declaration } from "./declared.js";
import { open, problemBox, say } from "./dialogs.js";
import { button, field, h } from "./dom.js";
import { bytes } from "./format.js";

/** Who asks, for a job's history. */
const BY = "page";

/**
 * Uploads a file behind a dialog that says so; resolves to `{digest, spec}`, or null when it was given up or refused.
 */
export async function uploaded(file) {
  const giveUp = new AbortController();
  const body = h(
    "div",
    null,
    h(
      "p",
      { role: "status" },
      `Uploading and checking ${file.name} (${bytes(file.size)}). A large component takes some seconds to compile.`,
    ),
    h("progress", { "aria-label": "upload" }),
  );
  const dialog = open("Reading the component", body);
  dialog.closed.then(() => giveUp.abort());
  try {
    const answer = await upload(file, giveUp.signal);
    dialog.close(answer);
    return answer;
  } catch (error) {
    if (giveUp.signal.aborted) return null;
    dialog.node.querySelector("h2").textContent = `${file.name} is not taken`;
    body.replaceChildren(problemBox(error));
    await dialog.closed;
    return null;
  }
}

/** The file itself, read by the browser: a change on disk between drop and submit is not half sent. */
export async function submitFile(file) {
  const answer = await uploaded(file);
  if (answer) await submitDialog(answer.spec, { digest: answer.digest }, file.name);
}

/** A field for each parameter; `values()` gives those that differ from their defaults. */
export function parameterFields(spec) {
  const inputs = new Map();
  const node = h(
    "div",
    null,
    spec.parameters.map((parameter) => {
      const required = parameter.default === null || parameter.default === undefined;
      const input = h("input", {
        type: "text",
        spellcheck: "false",
        autocomplete: "off",
        required,
        value: parameter.default ?? "",
      });
      inputs.set(parameter.name, { input, parameter });
      const hint = [
        parameter.description,
        required ? "must be set" : `default: ${parameter.default === "" ? "empty" : parameter.default}`,
      ];
      return field(parameter.name, input, hint.filter(Boolean).join(" · "));
    }),
  );
  const values = () =>
    Object.fromEntries(
      [...inputs]
        .filter(([, { input, parameter }]) => input.value !== (parameter.default ?? ""))
        .map(([name, { input }]) => [name, input.value]),
    );
  return { node, values };
}

/** A field for each topic and table; `values()` gives those that are not as declared. */
export function mappingFields(spec) {
  const one = (name, declared, hint) => {
    const input = h("input", { type: "text", value: declared, spellcheck: "false", autocomplete: "off", required: true });
    return { name, declared, input, node: field(name, input, hint) };
  };
  const sources = spec.sources.map((source) => one(source.topic, source.topic, "the topic that it reads"));
  const sinks = spec.sinks
    .map((sink) => {
      if (sink.topic !== undefined) return one(sink.name, sink.topic, "the topic that it writes");
      if (sink.table) return one(sink.name, sink.table.name, "the table that it writes");
      // Quotes and comments aside, which the host knows.
      const named = sink.statement.sql.match(/\{([^{}]+)\}/);
      return named ? one(sink.name, named[1], "the table of its statement") : null;
    })
    .filter(Boolean);
  const changed = (fields) =>
    Object.fromEntries(
      fields
        .filter(({ declared, input }) => input.value.trim() !== declared)
        .map(({ name, input }) => [name, input.value.trim()]),
    );
  return {
    node: h(
      "div",
      { class: "columns" },
      [...sources, ...sinks].map(({ node }) => node),
    ),
    values: () => ({ sources: changed(sources), sinks: changed(sinks) }),
  };
}

/** Shows what a component declares and submits it. */
export async function submitDialog(spec, component, file) {
  const name = h("input", { type: "text", value: spec.name, spellcheck: "false", autocomplete: "off", required: true });
  const from = h("input", {
    type: "text",
    list: "submit-from",
    placeholder: "committed, else latest",
    spellcheck: "false",
    autocomplete: "off",
  });
  const starts = h(
    "datalist",
    { id: "submit-from" },
    ["earliest", "latest", "-1h", "-1d"].map((value) => h("option", { value })),
  );
  const parallelism = h("input", { type: "number", min: "1", step: "1", value: "1" });
  const guarantee = h(
    "select",
    null,
    h("option", { value: "at-least-once" }, "at least once"),
    h("option", { value: "exactly-once" }, "exactly once"),
  );
  const create = h("input", { type: "checkbox", id: "submit-create" });
  const createSources = spec.sources.map(({ topic }, n) => ({
    topic,
    box: h("input", { type: "checkbox", id: `submit-create-source-${n}` }),
  }));
  const parameters = parameterFields(spec);
  const mapping = mappingFields(spec);
  const trouble = h("div");
  const act = button(
    "Submit",
    async () => {
      trouble.replaceChildren();
      const request = {
        ...component,
        by: BY,
        name: name.value.trim() || spec.name,
        parameters: parameters.values(),
        mapping: mapping.values(),
        parallelism: Math.max(1, Math.floor(Number(parallelism.value)) || 1),
        guarantee: guarantee.value,
        create: create.checked,
        create_sources: createSources.filter(({ box }) => box.checked).map(({ topic }) => topic),
      };
      if (from.value.trim()) request.from = from.value.trim();
      try {
        dialog.close(await send("POST", "/api/v1/jobs", request));
      } catch (error) {
        trouble.replaceChildren(problemBox(error));
        trouble.scrollIntoView({ block: "nearest" });
      }
    },
    { class: "primary" },
  );
  const dialog = open(
    `Submit ${spec.name} ${spec.version}`,
    [
      h("p", { class: "hint" }, `declared by ${file}`),
      declaration(spec),
      spec.parameters.length > 0 ? [h("h3", null, "Parameters"), parameters.node] : null,
      h("h3", null, "Topics and tables"),
      mapping.node,
      h("h3", null, "How it runs"),
      h(
        "div",
        { class: "columns" },
        field("Name", name),
        field("Read from", from, "earliest, latest, 2026-11-29T10:00Z, -2h, or topic/partition=offset"),
        starts,
        field("Instances", parallelism, "they share the partitions"),
        field("Guarantee", guarantee),
      ),
      h(
        "p",
        { class: "check" },
        create,
        h("label", { for: "submit-create" }, "Create missing topics that it writes, and tables"),
      ),
      createSources.map(({ topic, box }) =>
        h("p", { class: "check" }, box, h("label", { for: box.id }, `Create ${topic}, which it reads, if it is missing`)),
      ),
      trouble,
    ],
    { buttons: [act], submit: () => act.click(), wide: true },
  );
  const submitted = await dialog.closed;
  if (submitted) {
    const created = (submitted.created ?? []).map((one) => `, created ${one}`).join("");
    const noted = submitted.notice ? `; ${submitted.notice}` : "";
    say(`${submitted.name}: ${submitted.changed ?? "nothing changed"}${created}${noted}`);
    location.hash = `#/jobs/${encodeURIComponent(submitted.name)}`;
  }
}

/** A button that opens the browser's choice of files, for those who do not drop. */
export function fileButton(label, chosen, attributes) {
  const input = h("input", {
    type: "file",
    accept: ".wasm,application/wasm",
    class: "hidden",
    tabindex: "-1",
    "aria-hidden": "true",
  });
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = "";
    if (file) chosen(file);
  });
  return [h("button", { type: "button", ...attributes, onclick: () => input.click() }, label), input];
}

/**
 * Lets `.wasm` files be dropped anywhere on the page until `signal` aborts; `hint` is shown while one is dragged over
 * it.
 */
export function dropTarget(hint, dropped, signal) {
  const veil = h("div", { class: "veil", "aria-hidden": "true" }, h("p", null, hint));
  const on = (name, listener) => window.addEventListener(name, listener, { signal });
  const hasFiles = (event) =>
    [...(event.dataTransfer?.types ?? [])].includes("Files") && !document.querySelector("dialog[open]");
  on("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    if (!veil.isConnected) document.body.append(veil);
  });
  on("dragleave", (event) => {
    if (event.relatedTarget === null) veil.remove();
  });
  on("drop", async (event) => {
    veil.remove();
    if (!hasFiles(event)) return;
    // Without it, the browser would leave the page for the file.
    event.preventDefault();
    for (const file of [...event.dataTransfer.files]) await dropped(file);
  });
  signal.addEventListener("abort", () => veil.remove());
}

/** A verb on a job. Its history says that it came from here. */
export function act(job, verb, body) {
  return send("POST", of(job, `/${verb}`), { ...body, by: BY });
}
