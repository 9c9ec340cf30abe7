// Runs before the first paint, so that a chosen theme does not flash in: the one file that is no module.
"use strict";
try {
  const chosen = localStorage.getItem("pelton.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; the system's theme it is.
}
