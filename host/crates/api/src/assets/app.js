// The page of a host: one stream of events in, one view at a time out.

import { get, keepToken, onUnauthorized, Problem, stream, token } from "./api.js";
import { announce, askToken, say } from "./dialogs.js";
import { hide, text } from "./dom.js";
import { jobView } from "./job.js";
import { overview } from "./overview.js";
import { Store } from "./store.js";

const store = new Store();
/** Seconds on a clock that never jumps. */
const now = () => performance.now() / 1000;
/** A tab that nobody sees for so long lets its connection go: browsers give a host six, over all tabs. */
const UNSEEN = 60_000;
const SLOWEST = 10_000;
/** A host that says nothing for so long is not waited for with the first view. */
const SOON = 150;
/** As long as a timer can wait. */
const LONGEST = 2 ** 31 - 1;

const main = document.getElementById("main");
let view = null;
let shown = "";

/** `#/jobs/NAME/PANEL`, in parts. */
function route() {
  const [, kind, name, panel] = location.hash.split("/");
  try {
    return kind === "jobs" && name ? { name: decodeURIComponent(name), panel: panel ?? "" } : null;
  } catch {
    return null;
  }
}

function navigate(event) {
  const at = route();
  const wanted = at ? `job ${at.name}` : "overview";
  if (wanted !== shown) {
    view?.close();
    view = (at ? jobView : overview)({ store, now, name: at?.name });
    main.replaceChildren(view.node);
    delete document.documentElement.dataset.waits;
    shown = wanted;
    // The first view takes no focus; a later one tells where one has got to.
    if (event) view.node.querySelector("h1").focus({ preventScroll: true });
    if (event) scrollTo(0, 0);
  }
  if (at) view.show(at.panel);
  render();
}

function render() {
  if (document.hidden || view === null) return;
  view.update();
  const wrong = [...store.jobs.values()].filter(({ view: job }) =>
    ["failing", "failed", "degraded"].includes(job.state),
  ).length;
  text(document.head.querySelector("title"), `${wrong > 0 ? `(${wrong}) ` : ""}${view.title()} · Pelton`);
}

function connected(state, words) {
  store.live = state === "live";
  document.body.dataset.link = state;
  document.getElementById("link").dataset.link = state;
  text(document.getElementById("link-text"), words);
  hide(document.getElementById("link-now"), state !== "away");
  hide(document.getElementById("token"), token() === null);
}

let wake = () => {};

/** Waits, unless somebody asks to go on at once. */
function pause(time) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, time);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

function take(event, whole) {
  const changed = store.apply(JSON.parse(event.data), whole, now());
  if (changed.length > 0) {
    announce(
      changed
        .map(({ name, view: job }) => [`${name} is ${job.state}`, job.conditions[0]?.reason].filter(Boolean).join(": "))
        .join("; "),
    );
  }
  render();
}

/** Charts begin with what the host has kept; without it they begin empty, and nothing else is amiss. */
async function recall(signal) {
  try {
    store.recall(await get("/api/v1/recent", signal), now());
    render();
  } catch {
    // The stream tells what is wrong with the connection.
  }
}

let connection = null;

/** Keeps the one stream open, with backoff where it breaks. */
async function connect() {
  let wait = 500;
  let { begun } = globalThis;
  for (;;) {
    while (document.hidden && connection?.signal.aborted) await pause(UNSEEN);
    connection = new AbortController();
    let whole = true;
    let failure = null;
    try {
      await stream(
        "/api/v1/events",
        connection.signal,
        (event) => {
          if (event.event !== "jobs") return;
          take(event, whole);
          if (whole) recall(connection.signal);
          if (view === null) navigate();
          if (whole) connected("live", "live");
          whole = false;
          wait = 500;
        },
        { begun },
      );
    } catch (error) {
      failure = error;
    }
    begun = null;
    if (connection.signal.aborted) {
      connected("connecting", "connecting");
      continue;
    }
    // Made no sooner: an error takes a browser time, of which the first view has none.
    const problem = failure ? Problem.of(failure) : new Problem({ title: "the host ended the connection" });
    const time = wait * (0.8 + 0.4 * Math.random());
    // Who gave no token is not asked again and again.
    const again = problem.status === 401 ? "" : `; trying again in ${Math.max(1, Math.round(time / 1000))} s`;
    connected("away", `not connected: ${problem.lines[0] ?? problem.title}${again}`);
    await pause(problem.status === 401 ? LONGEST : time);
    wait = Math.min(wait * 2, SLOWEST);
  }
}

let unseen = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(unseen);
  if (document.hidden) {
    unseen = setTimeout(() => connection?.abort(), UNSEEN);
  } else {
    wake();
    render();
  }
});

function theme() {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const label = () => text(button, `Theme: ${root.dataset.theme ?? "system"}`);
  button.addEventListener("click", () => {
    const next = { undefined: "dark", dark: "light", light: undefined }[root.dataset.theme];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    try {
      if (next) localStorage.setItem("pelton.theme", next);
      else localStorage.removeItem("pelton.theme");
    } catch {
      // It holds for this page then.
    }
    label();
  });
  label();
}

onUnauthorized(askToken);
theme();
document.getElementById("token").addEventListener("click", () => {
  keepToken(null);
  say("the token is forgotten");
  connection?.abort();
});
document.getElementById("link-now").addEventListener("click", () => wake());
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
window.addEventListener("online", () => wake());
window.addEventListener("hashchange", navigate);
setInterval(() => {
  if (!store.live) return;
  store.sweep(now());
  render();
}, 1000);
connect();
// One view with its data is there sooner than an empty one and then a full one.
setTimeout(() => view ?? navigate(), SOON);
