// What holds on every view: readable by all in both themes and at any width, nothing unbounded, nothing lost silently.
// Two jobs run already; one of them has dead letters.

import assert from "node:assert/strict";
import { before, after, test } from "node:test";
import { accessible, drop, eventually, launch, live, open, setting, shot, uncut, url } from "./browser.mjs";

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

test("on a phone nothing is cut without a cue", async (t) => {
  const page = await open(t, await launch(t), { width: 360, height: 780 });
  await live(page);
  for (const width of [360, 390]) {
    await page.setViewportSize({ width, height: 780 });
    for (const hash of ["#/", ...PANELS.map((panel) => `#/jobs/${HOLD}${panel}`)]) {
      await page.goto(`${url}/${hash}`);
      await page.locator("h1").waitFor();
      await eventually("the view is filled", () => page.evaluate(() => document.querySelector(".job, .panel > *")));
      await uncut(page, `${hash} in ${width} pixels`);
      await shot(page, `narrow-${width}-${hash.split("/").at(-1) || "overview"}`);
    }
  }
  await page.goto(`${url}/#/jobs/${HOLD}/versions`);
  const versions = page.getByRole("group", { name: "Versions" });
  await versions.locator("td").first().waitFor();
  // The same table without its shadows would be found.
  await versions.evaluate((frame) => frame.style.setProperty("background", "none"));
  await assert.rejects(uncut(page, "a table"), /div\.scroll .* is cut/);
  await versions.evaluate((frame) => frame.style.removeProperty("background"));
  for (const button of ["Reload…", "Cancel…"]) {
    await page.locator(".head").getByRole("button", { name: button }).click();
    await uncut(page, `the dialog of ${button}`);
    await page.keyboard.press("Escape");
  }
  await drop(page, setting("PELTON_WIDER"), "wider.wasm");
  await page.getByRole("heading", { name: `Reload ${HOLD} with wider.wasm?` }).waitFor();
  await page.keyboard.press("Escape");
  await page.goto(`${url}/#/`);
  await page.locator(".job").first().waitFor();
  await drop(page, setting("PELTON_WIDER"), "wider.wasm");
  await page.getByRole("heading", { name: /^Submit sensor/ }).waitFor();
  await uncut(page, "the submit dialog");
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
    refusals: true,
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

test("a host without samples says so, and nothing is told in the console", async (t) => {
  const page = await open(t, await launch(t), {
    hash: `#/jobs/${HOLD}/records`,
    watch: (page) =>
      page.route("**/samples", (route) =>
        route.fulfill({ contentType: "application/json", body: '{"on":false,"samples":[]}' }),
      ),
  });
  await page.getByText("Sampling is off, as it is by default").waitFor();
  // What a job has not, such as a shadow run, is not asked for either.
  for (const panel of PANELS) {
    await page.goto(`${url}/#/jobs/${HOLD}${panel}`);
    await page.locator(".panel > *").waitFor();
  }
  await page.locator(".lines li").first().waitFor();
});

/** Opens the settings of a job with parameters as a host would tell them; `set` gets what is sent to be set. */
async function settings(t, parameters, { cut = [], whole = {} } = {}) {
  const {
    jobs: [real],
  } = await call("GET", "/api/v1/jobs");
  const declared = Object.keys(parameters).map((name) => ({ name, description: "", default: "none" }));
  const job = { ...real, name: HOLD, parameters, parameters_cut: cut, spec: { ...real.spec, parameters: declared } };
  const body = `event: jobs\ndata: ${JSON.stringify({ jobs: [job], gone: [], available: [] })}\n\n`;
  const sent = [];
  const json = (route, value) => route.fulfill({ contentType: "application/json", body: JSON.stringify(value) });
  const page = await open(t, await launch(t), {
    hash: `#/jobs/${HOLD}/settings`,
    watch: async (page) => {
      await page.route("**/api/v1/events", (route) => route.fulfill({ contentType: "text/event-stream", body }));
      await page.route("**/parameters", (route) => json(route, whole));
      await page.route("**/set", (route) => {
        sent.push(route.request().postDataJSON().parameters);
        return json(route, job);
      });
    },
  });
  const set = async () => {
    await page.getByRole("button", { name: "Set", exact: true }).click();
    await page.locator("#said:not([hidden])").waitFor();
  };
  return { page, sent, set, area: (name) => page.getByLabel(name, { exact: true }) };
}

/** Gives a field a file. */
async function give(page, name, buffer) {
  const [chooser] = await Promise.all([
    page.waitForEvent("filechooser"),
    page.getByRole("button", { name: `From a file… as ${name}` }).click(),
  ]);
  await chooser.setFiles({ name: "sites.json", mimeType: "application/json", buffer });
}

test("values keep their lines, to the letter", async (t) => {
  const lines = { unix: "one\ntwo\nthree\n", dos: "one\r\ntwo\r\nthree", mixed: "one\r\ntwo\nthree" };
  const { page, sent, set, area } = await settings(t, lines);
  await area("unix").waitFor();
  assert.equal(await area("unix").inputValue(), lines.unix);
  const [high, line] = await area("unix").evaluate((one) => [
    one.clientHeight,
    parseFloat(getComputedStyle(one).lineHeight),
  ]);
  assert.ok(high >= 3 * line, "each line is seen");
  await set();
  await page.getByText("nothing was changed").waitFor();
  assert.deepEqual(sent, [], "what nobody has changed is not written back");
  await area("dos").fill("one\ntwo");
  await set();
  await eventually("it is set", () => sent.length > 0);
  assert.deepEqual(sent, [{ dos: "one\r\ntwo" }]);
  await accessible(page, "values of several lines");
  await shot(page, "lines");
});

test("a value that the host has cut is never written back", async (t) => {
  const all = { sites: "site;".repeat(20_000), limit: "3" };
  const { page, sent, set, area } = await settings(
    t,
    { sites: `${all.sites.slice(0, 1024)}… (100000 bytes)`, limit: "3" },
    { cut: ["sites"], whole: all },
  );
  await area("sites").waitFor();
  assert.ok(!(await area("sites").isEditable()), "a part can't be edited");
  await page.getByText("cut: only its beginning is shown").waitFor();
  await accessible(page, "a cut value");
  await shot(page, "cut");
  await page.getByLabel("back to the default of sites").check();
  await page.getByLabel("back to the default of sites").uncheck();
  assert.ok(!(await area("sites").isEditable()), "nor after the default was looked at");
  await area("limit").fill("4");
  await set();
  await eventually("it is set", () => sent.length > 0);
  assert.deepEqual(sent, [{ limit: "4" }]);
  await page.getByRole("button", { name: "Whole value: sites" }).click();
  await page.getByText("all of it, 97.7 KiB").waitFor();
  assert.equal(await area("sites").inputValue(), all.sites);
  await area("sites").press("End");
  await area("sites").pressSequentially("!");
  await set();
  await eventually("it is set", () => sent.length > 1);
  assert.equal(sent[1].sites.length, all.sites.length + 1);
});

test("a file of a mebibyte becomes a value", async (t) => {
  const { page, sent, set, area } = await settings(t, { sites: "" });
  await area("sites").waitFor();
  await give(page, "sites", Buffer.from([0xff, 0xfe]));
  await page.getByText("sites.json is not text").waitFor();
  const text = `\ufeff{"ä": [\r\n${"1234567\n".repeat(131_072)}]}`;
  await give(page, "sites", Buffer.from(text));
  await page.getByText("sites.json, 1.00 MiB, of which the beginning is shown").waitFor();
  assert.equal((await area("sites").inputValue()).length, 1023, "a text area has one line end for two");
  await set();
  await eventually("it is set", () => sent.length > 0);
  assert.ok(sent[0].sites === text, "to the letter");
  await give(page, "sites", Buffer.from("one\ntwo"));
  await page.getByText("sites.json, 7 B").waitFor();
  await area("sites").press("Control+Enter");
  await eventually("a short one can be changed, and set with the keyboard", () => sent.length > 1);
  assert.deepEqual(sent[1], { sites: "one\ntwo" });
});

test("a reload takes other topics, and shows those that it has", async (t) => {
  const page = await open(t, await launch(t), { hash: `#/jobs/${HOLD}` });
  await live(page);
  const dialog = page.locator("dialog").last();
  const choose = async () => {
    await page.locator(".head").getByRole("button", { name: "Reload…" }).click();
    const [chooser] = await Promise.all([
      page.waitForEvent("filechooser"),
      page.getByRole("button", { name: "Choose a file…" }).click(),
    ]);
    await chooser.setFiles(setting("PELTON_WIDER"));
    await dialog.getByText("Topics and tables").waitFor();
  };
  const view = async () => call("GET", `/api/v1/jobs/${HOLD}`);
  await choose();
  assert.equal(await dialog.getByLabel("alerts", { exact: true }).inputValue(), "alerts");
  await dialog.getByLabel("alerts", { exact: true }).fill("alerts-of-the-page");
  await dialog.getByRole("button", { name: "Reload", exact: true }).click();
  await dialog.locator(".problem").getByText(/alerts-of-the-page.*does not exist/).first().waitFor();
  await dialog.getByLabel("Create missing topics that it writes").check();
  await accessible(page, "the reload dialog with topics");
  await shot(page, "reload-topics");
  await dialog.getByRole("button", { name: "Reload", exact: true }).click();
  await eventually("it writes elsewhere", async () => (await view()).mapping?.sinks?.alerts === "alerts-of-the-page");
  await dialog.waitFor({ state: "detached" });
  // The page is told of it, too.
  await page.getByText("alerts-of-the-page").first().waitFor();
  await choose();
  assert.equal(await dialog.getByLabel("alerts", { exact: true }).inputValue(), "alerts-of-the-page");
  await dialog.getByText("the topic that it writes, for alerts").waitFor();
});
