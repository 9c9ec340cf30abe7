// How soon the page shows a job: from the start of a navigation to the first frame with a job's row. Prints a line of
// JSON. `cargo bench --bench session` runs it, on a host with a job.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { ARGUMENTS, PATIENCE, setting, url } from "./browser.mjs";

const LOADS = Number(process.env.PELTON_LOADS ?? 15);
const AT_REST = 500;
const options = { executablePath: setting("PELTON_CHROMIUM"), args: ARGUMENTS };

/** Notes the first frame after the first row was there. Runs before any script of the page. */
function watch() {
  const observer = new MutationObserver(() => {
    if (!document.querySelector(".job .figure")) return;
    observer.disconnect();
    // The callback is before the frame with the row, the message after it.
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => console.log("shown", performance.now());
      port2.postMessage(null);
    });
  });
  observer.observe(document, { childList: true, subtree: true });
}

async function load(context) {
  const page = await context.newPage();
  await page.addInitScript(watch);
  // Told by the console: whatever else asks the page puts a script of 300 kB into it, which takes part of the time.
  const told = page.waitForEvent("console", {
    predicate: (line) => line.text().startsWith("shown "),
    timeout: PATIENCE,
  });
  // A tab that has just been opened is busy with itself; nobody has typed an address so soon.
  await new Promise((resolve) => setTimeout(resolve, AT_REST));
  await page.goto(url);
  const shown = Number((await told).text().split(" ")[1]);
  await page.close();
  return shown;
}

const browser = await chromium.launch(options);
const fresh = [];
for (let i = 0; i <= LOADS; i++) {
  const context = await browser.newContext();
  fresh.push(await load(context));
  await context.close();
}
await browser.close();

const profile = await mkdtemp(join(tmpdir(), "pelton-profile-"));
const context = await chromium.launchPersistentContext(profile, options);
const warm = [];
for (let i = 0; i <= LOADS; i++) warm.push(await load(context));
await context.close();
await rm(profile, { recursive: true });
// The first load of each is the browser's own start.
console.log(JSON.stringify({ fresh: fresh.slice(1), warm: warm.slice(1) }));
