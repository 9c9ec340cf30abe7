// The life of a job, by mouse and keyboard: dropped, submitted, watched, set, reloaded, broken, brought back, redriven,
// cancelled. Readings come all the while; some of them are no readings.

import assert from "node:assert/strict";
import { test } from "node:test";
import { accessible, drop, eventually, figure, launch, live, open, setting, shot, url } from "./browser.mjs";

const JOB = "sensor_alerts";

const head = (page) => page.locator(".head");
const state = (page) => page.locator("h1 .badge");
const panel = (page, name) =>
  page
    .getByRole("navigation", { name: `Parts of ${JOB}` })
    .getByRole("link", { name })
    .click();
const dialog = (page) => page.locator("dialog").last();

/** Waits until the job's head says that it runs a version. */
const runs = (page, version) => page.getByText(new RegExp(`^version ${version} \\(`)).waitFor();

/** Drops a component on the job's page, and answers the questions until it is taken. */
async function reload(page, path, name) {
  await drop(page, path, name);
  await page.getByRole("heading", { name: `Reload ${JOB} with ${name}?` }).waitFor();
  await dialog(page).getByRole("button", { name: "Reload", exact: true }).click();
}

test("the life of a job", async (t) => {
  const page = await open(t, await launch(t));
  await live(page);
  await page.getByText("No job is submitted yet").waitFor();

  await t.test("a dropped file says what it declares before it starts", async () => {
    await drop(page, setting("PELTON_JOB"), "dropped.wasm");
    await page.getByRole("heading", { name: `Submit ${JOB}` }).waitFor();
    const said = await dialog(page).innerText();
    assert.match(said, /topic sensors/);
    assert.match(said, /alerts → topic alerts/);
    assert.equal(await dialog(page).getByLabel("threshold", { exact: true }).inputValue(), "30");
    await accessible(page, "the submit dialog");
    await shot(page, "submit");
    const { jobs } = await page.evaluate(async () => (await fetch("/api/v1/jobs")).json());
    assert.deepEqual(jobs, [], "nothing runs before it is submitted");
  });

  await t.test("what is refused is told in full, and can be put right", async () => {
    await dialog(page).getByLabel("threshold", { exact: true }).fill("hot");
    await dialog(page).getByRole("button", { name: "Submit" }).click();
    const problem = dialog(page).locator(".problem");
    await problem.waitFor();
    assert.match(await problem.innerText(), /threshold.*hot/s);
    await accessible(page, "a problem in a dialog");
    await dialog(page).getByLabel("threshold", { exact: true }).fill("25");
    // A topic that stands for the declared one is checked as that is.
    const alerts = dialog(page).getByLabel("alerts", { exact: true });
    assert.equal(await alerts.inputValue(), "alerts");
    await alerts.fill("no topic");
    await dialog(page).getByRole("button", { name: "Submit" }).click();
    await problem.getByText("not a legal topic name").waitFor();
    await alerts.fill("alerts");
    await dialog(page).getByLabel("Read from").fill("yesterday");
    await dialog(page).getByRole("button", { name: "Submit" }).click();
    await eventually("the start is refused", async () => /"yesterday" is no place/.test(await problem.innerText()));
    await dialog(page).getByLabel("Read from").fill("earliest");
    await dialog(page).getByRole("button", { name: "Submit" }).click();
    await page.waitForURL(new RegExp(`#/jobs/${JOB}$`));
  });

  await t.test("records are seen to flow", async () => {
    await page.locator('h1 .badge[data-state="running"]').waitFor();
    await page.locator(".flow .arrow.source[data-flows]").waitFor();
    await page.locator(".flow .arrow.topic[data-flows]").waitFor();
    const counted = async () => figure((await page.locator(".flow .node.topic .detail").textContent()).split("· ")[1]);
    const before = await counted();
    await eventually("the count of alerts moves", async () => (await counted()) > before);
    const label = await page.locator(".flow").getAttribute("aria-label");
    assert.match(label, /from sensors [\d.,]+ a second/);
    await page.locator(".chart .line[d*='L']").first().waitFor({ state: "attached" });
    assert.ok((await page.getByRole("row", { name: /^sensors/ }).count()) > 0, "partitions are listed");
    await shot(page, "job");
  });

  await t.test("parameters and parallelism are set", async () => {
    await panel(page, "Settings");
    const [chooser] = await Promise.all([
      page.waitForEvent("filechooser"),
      page.getByRole("button", { name: "From a file… as threshold" }).click(),
    ]);
    await chooser.setFiles({ name: "threshold.txt", mimeType: "text/plain", buffer: Buffer.from("22.5") });
    await page.getByText("threshold.txt, 4 B").waitFor();
    await page.getByRole("button", { name: "Set", exact: true }).click();
    await page.getByText(`${JOB}: threshold set`).waitFor();
    await page.getByLabel("Instances").fill("2");
    await page.getByRole("button", { name: "Scale" }).click();
    await head(page).getByText("2 instances").waitFor();
    const view = await page.evaluate(async () => (await fetch("/api/v1/jobs/sensor_alerts")).json());
    assert.deepEqual([view.parameters.threshold, view.parallelism], ["22.5", 2]);
    await page.getByLabel("threshold", { exact: true }).fill("hot");
    await page.getByRole("button", { name: "Set", exact: true }).click();
    await page.locator(".problem").waitFor();
    await page.getByLabel("back to the default of threshold").check();
    await page.getByRole("button", { name: "Set", exact: true }).click();
    await eventually(
      "the default is back",
      async () =>
        (await page.evaluate(async () => (await fetch("/api/v1/jobs/sensor_alerts")).json())).parameters.threshold ===
        "30",
    );
  });

  await t.test("it pauses, goes elsewhere, and on", async () => {
    const seek = head(page).getByRole("button", { name: "Seek…" });
    assert.ok(await seek.isHidden(), "a job that runs commits its own offsets");
    await head(page).getByRole("button", { name: "Pause" }).click();
    await page.locator('h1 .badge[data-state="paused"]').waitFor();
    await seek.click();
    await dialog(page).getByRole("button", { name: "Seek", exact: true }).click();
    await dialog(page).getByText("no place is given").waitFor();
    await dialog(page).getByLabel("Go on from").fill("sensors/0=999999999");
    await dialog(page).getByRole("button", { name: "Seek", exact: true }).click();
    await dialog(page).getByText(/999999999/).waitFor();
    await accessible(page, "a refused seek");
    await dialog(page).getByLabel("Go on from").fill("sensors/0=1");
    await dialog(page).getByRole("button", { name: "Seek", exact: true }).click();
    await page.getByText("1 partition moved.").waitFor();
    const row = dialog(page).getByRole("row", { name: /^sensors 0 / });
    assert.match(await row.innerText(), /^sensors\s+0\s+[\d,]{2,}\s+1$/);
    await shot(page, "seek");
    await dialog(page).getByRole("button", { name: "Close" }).click();
    await head(page).getByRole("button", { name: "Resume" }).click();
    await page.locator('h1 .badge[data-state="running"]').waitFor();
  });

  await t.test("a new version that would drop something asks first", async () => {
    await reload(page, setting("PELTON_WIDER"), "wider.wasm");
    const diff = page.locator(".diff");
    await diff.waitFor();
    assert.match(await diff.innerText(), /\+ sink raw_sensors_data/);
    await accessible(page, "the diff");
    await shot(page, "diff");
    await page.getByRole("button", { name: "Reload all the same" }).click();
    await runs(page, 2);
    await panel(page, "Flow");
    await page.locator(".flow .arrow.table[data-flows]").waitFor();
  });

  await t.test("a version that breaks is rolled back, with the reason in full", async () => {
    // Until it has proved itself, it would go as well: the last version that has comes back.
    await eventually("version 2 is kept", async () =>
      !(await page.evaluate(async () => (await fetch("/api/v1/jobs/sensor_alerts")).json())).probation);
    await reload(page, setting("PELTON_BROKEN"), "broken.wasm");
    await page.getByRole("button", { name: "Reload all the same" }).click();
    const reason = page.locator(".conditions").getByText(/rolled back by the host/);
    await reason.waitFor();
    assert.match(await reason.innerText(), /version 3/);
    await runs(page, 2);
    await shot(page, "broken");
    await accessible(page, "a job with a reason");
  });

  await t.test("an earlier version is one button away", async () => {
    await panel(page, "Versions");
    await page.getByRole("button", { name: "Roll back… to version 1" }).click();
    await page.getByLabel("Why").fill("the first one was better");
    await dialog(page).getByRole("button", { name: "Roll back", exact: true }).click();
    await runs(page, 1);
    // What there is, and what was done: a table with the way back, and steps on a line of time.
    const others = page.getByRole("table", { name: "Versions" }).getByRole("button", { name: /^Roll back/ });
    assert.equal(await others.count(), 2, "each but the one that runs");
    const step = page.locator(".history li").first();
    await step.getByText("the first one was better").waitFor();
    assert.match(await step.innerText(), /by page\s+version 1, \S+ ran from then on/);
    assert.equal(await page.locator(".panel table").count(), 1, "the history is no second table");
    await shot(page, "versions");
  });

  await t.test("a shadow run tells what would differ", async () => {
    await page.getByText("Try another version").click();
    const [chooser] = await Promise.all([
      page.waitForEvent("filechooser"),
      page.getByRole("button", { name: "Choose a file…" }).click(),
    ]);
    await chooser.setFiles(setting("PELTON_WIDER"));
    await page.getByText(/sensor_pipeline \d/).waitFor();
    await page.getByLabel("Seconds").fill("3");
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByText(/has run:/).waitFor();
    await page.getByRole("group", { name: "Outputs per sink" }).getByText("raw_sensors_data").waitFor();
    await shot(page, "shadow");
  });

  await t.test("the last records are shown", async () => {
    await panel(page, "Records");
    await page.locator(".sample").first().waitFor();
    assert.match(await page.locator(".sample").first().innerText(), /sensors \d+\/\d+/);
    await accessible(page, "the records");
    await shot(page, "records");
  });

  await t.test("dead letters are read and redriven", async () => {
    await panel(page, "Dead letters");
    await page.getByLabel("Stage").selectOption("reject");
    const rejected = page.locator(".letters > li", { has: page.locator('.stage[data-stage="reject"]') });
    await rejected.first().waitFor();
    await eventually(
      "only rejects are listed",
      async () => (await page.locator('.stage[data-stage="guest"]').count()) === 0,
    );
    await rejected.filter({ hasText: "onerror" }).first().locator("summary").first().click();
    const letter = page.locator(".letter").first();
    await letter.waitFor();
    assert.match(await letter.innerText(), /<img src=x onerror=/, "as it was sent");
    await page.getByRole("heading", { name: "Why: letters by reason" }).waitFor();
    await page.getByRole("columnheader", { name: "Reason" }).waitFor();
    await letter.getByText("value as bytes").click();
    assert.match(await letter.innerText(), /3c 69 6d 67/, "and as bytes");
    assert.equal(await page.locator("main img").count(), 0, "what a record says is no markup");
    await accessible(page, "dead letters");
    await shot(page, "letters");

    await page.getByLabel("Stage").selectOption("guest");
    const broken = page.locator(".letters > li", { has: page.locator('.stage[data-stage="guest"]') });
    await broken.first().waitFor();
    await eventually(
      "only failures are listed",
      async () => (await page.locator('.stage[data-stage="reject"]').count()) === 0,
    );
    await broken
      .first()
      .getByRole("button", { name: /^Redrive/ })
      .click();
    await page.getByText("1 letter redriven").waitFor();
    await page.getByRole("button", { name: "Redrive all that fit…" }).click();
    await accessible(page, "a question");
    await dialog(page).getByRole("button", { name: "Redrive", exact: true }).click();
    await page.getByText(/letters? redriven/).waitFor();
    await page.getByRole("button", { name: "Redrive all that fit…" }).waitFor({ state: "hidden" });
    const found = await page.evaluate(async () =>
      (await fetch("/api/v1/jobs/sensor_alerts/dead-letters?stage=guest")).json(),
    );
    assert.ok(found.total > 0 && found.letters.every((one) => one.redriven), "all are marked");
  });

  await t.test("a purge names what is lost before it is", async () => {
    const { total, redriven } = await page.evaluate(async () =>
      (await fetch("/api/v1/jobs/sensor_alerts/dead-letters")).json(),
    );
    await page.getByRole("button", { name: "Purge…" }).click();
    const said = dialog(page).getByRole("status");
    await said.getByText(`${total} dead letters would be deleted`).waitFor();
    await said.getByText(`${total - redriven} of them were never redriven and would be lost`).waitFor();
    await accessible(page, "the question before a purge");
    await shot(page, "purge");
    await dialog(page).getByLabel("Which").selectOption("older than a day");
    await said.getByText("There is none.").waitFor();
    await dialog(page).getByLabel("Which").selectOption("all of them");
    await said.getByText(/would be deleted/).waitFor();
    await dialog(page).getByRole("button", { name: "Purge for good" }).click();
    await page.getByText(/dead letters purged/).waitFor();
    await page.getByLabel("Stage").selectOption("any");
    await page.getByText("No dead letters: every record went through.").waitFor();
  });

  await t.test("the log is followed", async () => {
    await panel(page, "Logs");
    await page.locator(".lines li").filter({ hasText: /roll/ }).first().waitFor();
    await accessible(page, "the log");
    await shot(page, "logs");
  });

  await t.test("charts begin with what the host has kept", async () => {
    for (const hash of [`#/jobs/${JOB}`, "#/"]) {
      await page.goto("about:blank");
      await page.goto(`${url}/${hash}`);
      const line = page.locator(hash === "#/" ? ".job .spark .line" : ".chart .line").first();
      // A page that has only what it has seen itself gains a point a second.
      await eventually("there are more points than seconds", async () => {
        const drawn = (await line.count()) > 0 ? await line.getAttribute("d") : "";
        const points = drawn?.match(/[ML]/g)?.length ?? 0;
        const seconds = await page.evaluate(() => performance.now() / 1000);
        assert.ok(seconds < 20, `${points} points after ${seconds} seconds`);
        return points > seconds + 4;
      });
    }
    await page.goto(`${url}/#/jobs/${JOB}`);
    await page.locator(".chart .line[d*='L']").first().waitFor({ state: "attached" });
    await shot(page, "charts");
  });

  await t.test("cancel asks first", async () => {
    await head(page).getByRole("button", { name: "Cancel…" }).click();
    await page.getByRole("heading", { name: `Cancel ${JOB}?` }).waitFor();
    assert.equal(
      await page.evaluate(() => document.activeElement.textContent),
      "Keep the job",
      "the focus is where it does no harm",
    );
    await accessible(page, "the question before a cancel");
    await page.keyboard.press("Escape");
    await page.locator("dialog").waitFor({ state: "detached" });
    assert.equal(await state(page).textContent(), "running");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Cancel…", "the focus is back");
    await page.keyboard.press("Enter");
    await dialog(page).getByRole("button", { name: "Cancel the job" }).click();
    await page.getByText("No job is submitted yet").waitFor();
  });
});
