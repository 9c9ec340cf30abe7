// What holds on every view: readable by all in both themes and at any width, nothing unbounded, nothing lost silently.
// Two jobs run already; one of them has dead letters.

import assert from "node:assert/strict";
import { before, after, test } from "node:test";
import { accessible, eventually, launch, live, open, setting, shot, url } from "./browser.mjs";

const HOLD = "views";
const PANELS = ["", "/records", "/dead-letters", "/versions", "/settings", "/logs"];

async function call(method, path, body, type = "application/json") {
  const response = await fetch(url + path, { method, headers: { "content-type": type }, body });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${text}`);
  return JSON.parse(text);
}

before(async () => {
  const { readFile } = await import("node:fs/promises");
  const { digest } = await call(
    "POST",
    "/api/v1/components",
    await readFile(setting("PELTON_WIDER")),
    "application/wasm",
  );
  await call("POST", "/api/v1/jobs", JSON.stringify({ digest, name: HOLD, from: "earliest" }));
});
after(() => call("DELETE", `/api/v1/jobs/${HOLD}`, "{}"));

for (const scheme of ["light", "dark"]) {
  test(`no violations in ${scheme}`, async (t) => {
    const browser = await launch(t);
    const page = await open(t, browser, { scheme });
    await live(page);
    await page.locator(".job .spark .line[d*='L']").first().waitFor({ state: "attached" });
    await accessible(page, "the overview");
    await shot(page, `overview-${scheme}`);
    for (const panel of PANELS) {
      await page.goto(`${url}/#/jobs/${HOLD}${panel}`);
      await page.locator(".panel > *").waitFor();
      await accessible(page, panel || "/flow");
      await shot(page, `${panel.slice(1) || "flow"}-${scheme}`);
    }
    await page.locator(".head").getByRole("button", { name: "Reload…" }).click();
    await accessible(page, "the reload dialog");
    await page.keyboard.press("Escape");
    await page.locator("#theme").click();
    const forced = await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
    assert.equal(forced, "dark", "the toggle wins over the system");
    await accessible(page, "a chosen theme");
  });
}

test("it fits 360 pixels", async (t) => {
  const page = await open(t, await launch(t), { width: 360, height: 780 });
  await live(page);
  for (const hash of ["#/", ...PANELS.map((panel) => `#/jobs/${HOLD}${panel}`)]) {
    await page.goto(`${url}/${hash}`);
    await page.locator("h1").waitFor();
    await eventually("the view is filled", () => page.evaluate(() => document.querySelector(".job, .panel > *")));
    const [needs, has] = await page.evaluate(() => [
      document.documentElement.scrollWidth,
      document.documentElement.clientWidth,
    ]);
    assert.ok(needs <= has, `${hash} needs ${needs} pixels`);
    await shot(page, `narrow-${hash.split("/").at(-1) || "overview"}`);
  }
  await accessible(page, "a narrow window");
});

test("everything is reached with the keyboard, and the focus is seen", async (t) => {
  const page = await open(t, await launch(t));
  await live(page);
  await page.locator(".job").waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  for (let i = 0; i < 20; i++) {
    await page.keyboard.press("Tab");
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(outline, "none", "what has the focus is outlined");
    if (await page.evaluate((name) => document.activeElement.textContent === name, HOLD)) break;
  }
  await page.keyboard.press("Enter");
  await page.locator(".flow").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1", "a new view begins at its heading");
});

test("arrows stand still for those who asked for it", async (t) => {
  const browser = await launch(t);
  for (const [motion, name] of [
    ["no-preference", "flow"],
    ["reduce", "none"],
  ]) {
    const page = await open(t, browser, { hash: `#/jobs/${HOLD}`, motion });
    const moving = page.locator(".flow .moving").first();
    await moving.waitFor({ state: "attached" });
    assert.equal(await moving.evaluate((path) => getComputedStyle(path).animationName), name);
  }
});

test("a lost connection is seen and mended", async (t) => {
  const browser = await launch(t);
  let asked = 0;
  const abort = (route) => {
    asked += 1;
    return route.abort();
  };
  const page = await open(t, browser, { watch: (page) => page.route("**/api/v1/events", abort) });
  const link = page.locator("#link");
  await page.waitForSelector('#link[data-link="away"]');
  assert.match(await link.innerText(), /not connected: .*trying again/s);
  await accessible(page, "a page without a host");
  const before = asked;
  await page.getByRole("button", { name: "Try now" }).click();
  for (let looks = 0; asked === before && looks < 100; looks += 1) await page.waitForTimeout(50);
  assert.ok(asked > before, "the button asks");
  // From here on it connects by itself.
  await page.unroute("**/api/v1/events");
  await live(page);
  await page.locator(".job").waitFor();
});

test("a host that wants a token gets it, in a header", async (t) => {
  const browser = await launch(t);
  const sent = [];
  const page = await open(t, browser, {
    watch: (page) =>
      page.route("**/api/v1/**", (route) => {
        const token = route.request().headers().authorization;
        sent.push(token);
        if (token === "Bearer the-right-token-of-this-host") return route.continue();
        const body = JSON.stringify({
          status: 401,
          code: "unauthorized",
          title: "a token is needed",
          detail: "send one",
          causes: ["send one"],
        });
        return route.fulfill({ status: 401, contentType: "application/problem+json", body });
      }),
  });
  const input = page.getByLabel("Token", { exact: true });
  await input.fill("a-wrong-token-of-this-host");
  await accessible(page, "the token dialog");
  await page.keyboard.press("Enter");
  await eventually("the wrong token was tried", () => sent.includes("Bearer a-wrong-token-of-this-host"));
  await eventually("it asks again", async () => (await input.count()) === 1 && (await input.inputValue()) === "");
  await input.fill("the-right-token-of-this-host");
  await page.keyboard.press("Enter");
  await live(page);
  await page.locator(".job").waitFor();
  await page.reload();
  await live(page);
  assert.equal(await page.evaluate(() => localStorage.length), 0, "it is kept for the tab only");
  await page.getByRole("button", { name: "Forget token" }).click();
  await input.waitFor();
  await page.keyboard.press("Escape");
  await page.getByText(/^not connected: send one$/).waitFor();
});

test("what jobs say stays text, and five hundred jobs are no trouble", async (t) => {
  const {
    jobs: [real],
  } = await call("GET", "/api/v1/jobs");
  const hostile = '<img src=x onerror="alert(1)">';
  const jobs = Array.from({ length: 500 }, (_, i) => ({ ...real, name: `${i} ${hostile}` }));
  jobs[0] = {
    ...jobs[0],
    state: "failed",
    conditions: [{ part: hostile, state: "failed", reason: hostile, since: real.submitted }],
  };
  const available = [{ file: `${hostile}.wasm`, error: hostile, checking: false, jobs: [] }];
  const body = `event: jobs\ndata: ${JSON.stringify({ jobs, gone: [], available })}\n\n`;
  const page = await open(t, await launch(t), {
    watch: (page) =>
      page.route("**/api/v1/events", (route) => route.fulfill({ contentType: "text/event-stream", body })),
  });
  await eventually("all are listed", async () => (await page.locator(".job").count()) === 500);
  assert.equal(await page.locator("main img").count(), 0);
  assert.match(await page.locator(".job").first().innerText(), /<img src=x/);
  await page.getByLabel("Filter jobs by name or state").fill("failed");
  await eventually("one is left", async () => (await page.locator(".job").count()) === 1);
});

test("a log that never ends takes no more than its lines", async (t) => {
  const line = (seq) =>
    `id: ${seq}\nevent: log\ndata: ${JSON.stringify({ seq, at: new Date().toISOString(), level: "info", source: "job", message: `line ${seq}` })}\n\n`;
  let from = 1;
  const page = await open(t, await launch(t), {
    hash: `#/jobs/${HOLD}/logs`,
    watch: async (page) => {
      await page.route("**/logs?limit*", (route) =>
        route.fulfill({ contentType: "application/json", body: '{"lines":[]}' }),
      );
      await page.route("**/logs?follow*", (route) => {
        const body = Array.from({ length: 3000 }, (_, i) => line(from + i)).join("");
        from += 3000;
        return route.fulfill({ contentType: "text/event-stream", body });
      });
    },
  });
  await page.getByText("line 6000", { exact: true }).waitFor({ state: "attached" });
  assert.equal(await page.locator(".lines li").count(), 500);
});
