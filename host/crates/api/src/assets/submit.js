// Submit: a file is uploaded, what it declares is shown with its parameters to fill in, and only then it starts.

import { Problem, of, send, upload } from "./api.js";
import { declaration } from "./declared.js";
import { confirm, open, problemBox, say } from "./dialogs.js";
import { button, field, h } from "./dom.js";
import { bytes } from "./format.js";
import { valueField } from "./values.js";

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
  const dialog = open("Reading the component", body, { dismiss: "Give up" });
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
  const fields = spec.parameters.map((parameter) => ({
    name: parameter.name,
    field: valueField(parameter, parameter.default ?? ""),
  }));
  const changed = () => fields.filter(({ field }) => field.changed()).map(({ name, field }) => [name, field.value()]);
  return {
    node: h(
      "div",
      null,
      fields.map(({ field }) => field.node),
    ),
    values: () => Object.fromEntries(changed()),
  };
}

/**
 * A field for each topic and table, with those that a mapping has in their place; `values()` gives those that were
 * changed.
 */
export function mappingFields(spec, mapping) {
  const one = (name, declared, now, hint) => {
    const was = now ?? declared;
    const input = h("input", { type: "text", value: was, spellcheck: "false", autocomplete: "off", required: true });
    const stands = was === declared ? hint : `${hint}, for ${declared}`;
    return { name, was, input, node: field(name, input, stands) };
  };
  const sources = spec.sources.map(({ topic }) =>
    one(topic, topic, mapping?.sources?.[topic], "the topic that it reads"),
  );
  const sinks = spec.sinks
    .map((sink) => {
      const now = mapping?.sinks?.[sink.name];
      if (sink.topic !== undefined) return one(sink.name, sink.topic, now, "the topic that it writes");
      if (sink.table) return one(sink.name, sink.table.name, now, "the table that it writes");
      // Quotes and comments aside, which the host knows.
      const named = sink.statement.sql.match(/\{([^{}]+)\}/);
      return named ? one(sink.name, named[1], now, "the table of its statement") : null;
    })
    .filter(Boolean);
  const changed = (fields) =>
    Object.fromEntries(
      fields.filter(({ was, input }) => input.value.trim() !== was).map(({ name, input }) => [name, input.value.trim()]),
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

/** What may be created for a component: a box for all that it writes, and one for each topic that it reads. */
export function creationFields(spec) {
  const check = (label) => {
    const box = h("input", { type: "checkbox", id: `create-${(creationFields.next = (creationFields.next ?? 0) + 1)}` });
    return { box, node: h("p", { class: "check" }, box, h("label", { for: box.id }, label)) };
  };
  const written = check("Create missing topics that it writes, and tables");
  const sources = spec.sources.map(({ topic }) => ({
    topic,
    ...check(`Create ${topic}, which it reads, if it is missing`),
  }));
  return {
    node: h("div", null, written.node, ...sources.map(({ node }) => node)),
    values: () => ({
      create: written.box.checked,
      create_sources: sources.filter(({ box }) => box.checked).map(({ topic }) => topic),
    }),
  };
}

/** A field for where to read from, empty where the host decides; `value()` is the text. */
export function placeField(label = "Read from", empty = "committed, else latest") {
  const id = `places-${(placeField.next = (placeField.next ?? 0) + 1)}`;
  const input = h("input", { type: "text", list: id, placeholder: empty, spellcheck: "false", autocomplete: "off" });
  const places = ["earliest", "latest", "-1h", "-1d"].map((value) => h("option", { value }));
  const node = field(label, input, "earliest, latest, 2026-11-29T10:00Z, -2h, or topic/partition=offset");
  node.append(h("datalist", { id }, places));
  return { node, value: () => input.value.trim() };
}

/** A field for how many instances; `value()` is what is asked for. */
export function instancesField() {
  const id = `instances-${(instancesField.next = (instancesField.next ?? 0) + 1)}`;
  const input = h("input", { type: "text", list: id, value: "auto", spellcheck: "false", autocomplete: "off" });
  const node = field("Instances", input, "They share the partitions: a number, or auto, as many as the load calls for.");
  node.append(h("datalist", { id }, h("option", { value: "auto" })));
  const value = () => {
    const asked = input.value.trim() || "auto";
    return /^\d+$/.test(asked) ? Number(asked) : asked;
  };
  return { node, input, value };
}

/** Shows what a component declares and submits it. */
export async function submitDialog(spec, component, file) {
  const name = h("input", { type: "text", value: spec.name, spellcheck: "false", autocomplete: "off", required: true });
  const from = placeField();
  const instances = instancesField();
  const guarantee = h(
    "select",
    null,
    h("option", { value: "at-least-once" }, "at least once"),
    h("option", { value: "exactly-once" }, "exactly once"),
  );
  const creation = creationFields(spec);
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
        parallelism: instances.value(),
        guarantee: guarantee.value,
        ...creation.values(),
        ...(from.value() ? { from: from.value() } : {}),
      };
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
        from.node,
        instances.node,
        field("Guarantee", guarantee),
      ),
      creation.node,
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

/**
 * A verb on a job. Its history says that it came from here. Where it would end what the job remembers, that is asked
 * for first; nothing comes of it where it is not meant.
 */
export async function act(job, verb, body) {
  const send_it = (more) => send("POST", of(job, `/${verb}`), { ...body, ...more, by: BY });
  try {
    return await send_it({});
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "would-forget") throw error;
    let view = null;
    const done = await confirm(
      `${job} would forget something`,
      error.lines.map((line) => h("p", null, line)),
      "Do it all the same",
      async () => {
        view = await send_it({ force: true });
      },
      { class: "danger" },
    );
    if (!done) throw error;
    return view;
  }
}
