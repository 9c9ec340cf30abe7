// What the tests share: Chromium, a page that is watched while it is used, and files that are dropped on it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

/** How long anything may take before a test gives up on it; nothing is asserted to be faster. */
export const PATIENCE = 60_000;
/** Chromium is to talk to the host only: no updates, no trials, no names looked up. */
export const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** A setting that `tests/it/browser.rs` hands over. */
export function setting(name) {
  const value = process.env[name];
  assert.ok(value, `${name} must be set: run these tests with \`cargo test --test it browser\``);
  return value;
}

export const url = setting("PELTON_URL");

/** Starts Chromium for a test. */
export async function launch(t) {
  const browser = await chromium.launch({ executablePath: setting("PELTON_CHROMIUM"), args: ARGUMENTS });
  t.after(() => browser.close());
  return browser;
}

/**
 * Opens the page. When the test ends, it fails if anything was asked of another host, if a script failed or was
 * forbidden by the page's policy, or if a look was refused, which browsers tell in the console: verbs may be, and looks
 * where there are `refusals`. `watch(page)` comes before the first request.
 */
export async function open(
  t,
  browser,
  { scheme = "light", width = 1280, height = 900, hash = "", motion = "no-preference", watch, refusals } = {},
) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: motion });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const wrong = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(`${url}/`)) wrong.push(`asked another host: ${request.url()}`);
  });
  page.on("pageerror", (error) => wrong.push(`a script failed: ${error.stack}`));
  page.on("console", (message) => {
    // A refusal by the host is told as an error as well; what the page makes of it is tested where it belongs.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) wrong.push(message.text());
  });
  page.on("response", (response) => {
    const asked = response.request().method() === "GET" && !refusals;
    if (asked && response.status() >= 400) wrong.push(`${response.url()} was answered with ${response.status()}`);
  });
  t.after(() => assert.deepEqual(wrong, []));
  await watch?.(page);
  await page.goto(`${url}/${hash}`);
  return page;
}

/** Waits until the page shows what the host has. */
export async function live(page) {
  await page.waitForSelector('#link[data-link="live"]');
}

/**
 * Fails on any violation that axe-core finds in what is shown, and on a dialog in which two buttons are called Cancel:
 * that is what is done to jobs.
 */
export async function accessible(page, what) {
  const names = await page.locator("dialog[open] button").evaluateAll((all) => all.map((one) => one.textContent));
  assert.ok(names.filter((name) => /^cancel/i.test(name)).length <= 1, `${what} has the buttons ${names}`);
  // Things that fade or move are measured once they are still.
  await page.evaluate(() =>
    Promise.all(
      document
        .getAnimations()
        .filter((one) => one.effect.getComputedTiming().iterations === 1)
        .map((one) => one.finished),
    ),
  );
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  const told = violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}\n  ${nodes.map((node) => `${node.target}: ${node.failureSummary}`).join("\n  ")}`,
  );
  assert.deepEqual(told, [], `${what} has violations`);
}

/** Fails where something is cut off, or needs to be scrolled sideways, and nothing shows that there is more of it. */
export async function uncut(page, what) {
  const found = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const style = (node) => getComputedStyle(node);
    const scrolls = (node) => ["auto", "scroll"].includes(style(node).overflowX);
    const shows = (node) => style(node).backgroundImage.includes("gradient") || style(node).textOverflow === "ellipsis";
    const within = (node) => node && ((shows(node) && style(node).overflowX !== "visible") || within(node.parentElement));
    const wrong = [];
    for (const node of document.querySelectorAll("body *")) {
      // What is for screen readers only is one pixel wide.
      if (!node.checkVisibility() || node.closest("svg, .skip") || node.clientWidth <= 1) continue;
      const name = `${node.tagName.toLowerCase()}.${node.className} "${node.textContent.slice(0, 30)}"`;
      const cuts = scrolls(node) || ["hidden", "clip"].includes(style(node).overflowX);
      if (cuts && node.scrollWidth > node.clientWidth + 1 && !shows(node)) wrong.push(`${name} is cut`);
      if (node.getBoundingClientRect().right > width + 1 && !within(node)) wrong.push(`${name} is beyond the window`);
    }
    if (document.documentElement.scrollWidth > width) wrong.push(`the page needs ${document.documentElement.scrollWidth}`);
    return wrong;
  });
  assert.deepEqual(found, [], `${what} is cut without a cue`);
}

/** Drops a file on the page, as a mouse would. */
export async function drop(page, path, name) {
  const content = (await readFile(path)).toString("base64");
  const transfer = await page.evaluateHandle(
    ([base64, file]) => {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], file, { type: "application/wasm" }));
      return data;
    },
    [content, name],
  );
  await page.dispatchEvent("main", "dragover", { dataTransfer: transfer });
  await page.waitForSelector(".veil");
  await page.dispatchEvent("main", "drop", { dataTransfer: transfer });
}

/** A figure as the page writes it, as a number. */
export function figure(text) {
  return Number(text.replace(/,/g, "").match(/^[\d.]+/)?.[0]);
}

/** Waits until `look()` gives something true, and returns it. */
export async function eventually(what, look) {
  const until = Date.now() + PATIENCE;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < until, `waited in vain: ${what}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** Keeps a picture where `BROWSER_SHOTS` names a folder, for people to look at. */
export async function shot(page, name) {
  if (process.env.BROWSER_SHOTS) await page.screenshot({ path: `${process.env.BROWSER_SHOTS}/${name}.png` });
}
