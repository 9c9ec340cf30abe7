// Reload: another component for a job that runs. A change that would drop a source or sink is shown first, and asked
// for.

import { Problem } from "./api.js";
import { confirm, open, problemBox, say } from "./dialogs.js";
import { button, field, fileButton, h, WASM } from "./dom.js";
import { act, creationFields, mappingFields, uploaded } from "./submit.js";

/** Asks the host to reload; where that would drop something, shows what and asks. Throws what else is refused. */
async function reload(job, request) {
  try {
    return await act(job, "reload", request);
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "would-drop") throw error;
    let view = null;
    const done = await confirm(
      `This version would drop something of ${job}`,
      [
        h("p", null, "What has a minus here would be gone. Messages and rows that are there already stay."),
        h(
          "ul",
          { class: "diff" },
          error.lines.map((line) =>
            h("li", { class: line.startsWith("+") ? "plus" : line.startsWith("-") ? "minus" : null }, line),
          ),
        ),
      ],
      "Reload all the same",
      async () => {
        view = await act(job, "reload", { ...request, force: true });
      },
      { class: "danger" },
    );
    return done ? view : null;
  }
}

/** Says how a reload ended: the host may have kept the version before. */
function told(job, view) {
  if (!view) return;
  const notice = view.conditions.find((condition) => condition.part === "reload");
  say(
    notice
      ? `${job} goes on as it was: ${notice.reason}`
      : `${job} runs version ${view.version} (${view.spec.version})`,
  );
}

/** A choice among a file of `usr_jobs` and one of the user's; `chosen(spec)` is told what it declares, null for none. */
export function chooser(store, job, chosen = () => {}) {
  const view = store.jobs.get(job)?.view;
  const files = store.available.filter((one) => one.spec).map((one) => one.file);
  const own = view?.file;
  files.sort((a, b) => (b === own) - (a === own) || a.localeCompare(b));
  const select = h(
    "select",
    null,
    files.map((file) => h("option", { value: file }, file === own ? `${file} (its own file)` : file)),
    h("option", { value: "" }, files.length > 0 ? "a file of mine" : "choose a file of yours below"),
  );
  let digest = null;
  let own_spec = null;
  const spec = () =>
    select.value === "" ? own_spec : (store.available.find((one) => one.file === select.value)?.spec ?? null);
  const picked = h("span", { role: "status", class: "hint" });
  const choose = fileButton("Choose a file…", async (file) => {
    const answer = await uploaded(file);
    if (!answer) return;
    digest = answer.digest;
    own_spec = answer.spec;
    select.value = "";
    picked.textContent = `${file.name}: ${answer.spec.name} ${answer.spec.version}`;
    chosen(spec());
  }, null, WASM);
  select.addEventListener("change", () => chosen(spec()));
  chosen(spec());
  const node = h(
    "div",
    null,
    field("New version", select, files.length > 0 ? "files in the host's usr_jobs folder" : null),
    h("p", { class: "row" }, choose, picked),
  );
  return {
    node,
    /** What was chosen, or null. */
    value: () => (select.value !== "" ? { available: select.value } : digest ? { digest } : null),
  };
}

/** The dialog for a reload. */
export async function reloadDialog(store, job) {
  const place = h("div");
  let mapping = null;
  let creation = null;
  const choice = chooser(store, job, (spec) => {
    mapping = spec && mappingFields(spec, store.jobs.get(job)?.view.mapping);
    creation = spec && creationFields(spec);
    place.replaceChildren(...(spec ? [h("h3", null, "Topics and tables"), mapping.node, creation.node] : []));
  });
  const why = h("input", { type: "text", autocomplete: "off" });
  const trouble = h("div");
  const go = button(
    "Reload",
    async () => {
      trouble.replaceChildren();
      const chosen = choice.value();
      if (!chosen)
        return trouble.replaceChildren(
          problemBox(new Problem({ title: "no version is chosen", detail: "choose a file first" })),
        );
      const request = {
        ...chosen,
        ...(mapping && { mapping: mapping.values() }),
        ...creation?.values(),
        ...(why.value.trim() ? { why: why.value.trim() } : {}),
      };
      try {
        const view = await reload(job, request);
        if (view) dialog.close(view);
      } catch (error) {
        trouble.replaceChildren(problemBox(error));
      }
    },
    { class: "primary" },
  );
  const dialog = open(
    `Reload ${job}`,
    [
      h(
        "p",
        null,
        "The new version is compiled, checked and opened beside the one that runs; then they are switched between two batches. If any step fails, the one that runs goes on.",
      ),
      choice.node,
      place,
      field("Why", why, "kept in the job's history; may be empty"),
      trouble,
    ],
    { buttons: [go], submit: () => go.click(), wide: true },
  );
  told(job, await dialog.closed);
}

/** Reloads with a file that was dropped on the job's page, after a question. */
export async function reloadWith(job, file) {
  const answer = await uploaded(file);
  if (!answer) return;
  const { spec, digest } = answer;
  let view = null;
  await confirm(
    `Reload ${job} with ${file.name}?`,
    h("p", null, `It declares ${spec.name} ${spec.version}${spec.description ? `: ${spec.description}` : ""}`),
    "Reload",
    async () => {
      view = await reload(job, { digest });
    },
    { class: "primary" },
  );
  told(job, view);
}
