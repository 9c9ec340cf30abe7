// Runs before the first paint and before the modules are there: the one file that is no module.
"use strict";

// A chosen theme does not flash in.
try {
  const chosen = localStorage.getItem("pelton.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; the system's theme it is.
}

// The first frame is the one with the data, or comes when that takes long: app.js shows the page then.
document.documentElement.dataset.waits = "";

// The data comes while the modules do. api.js reads what is begun here.
globalThis.begun = (() => {
  let token = null;
  try {
    token = sessionStorage.getItem("pelton.token");
  } catch {
    // It will be asked for.
  }
  const controller = new AbortController();
  const headers = { accept: "text/event-stream", ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const response = fetch("/api/v1/events", {
    cache: "no-store",
    redirect: "error",
    headers,
    signal: controller.signal,
  });
  // A failure is told by whoever reads it.
  response.catch(() => {});
  return { controller, response };
})();
