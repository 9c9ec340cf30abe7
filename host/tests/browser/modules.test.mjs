// The modules that need no browser: the parser of events, the rings of figures, and how figures are written.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { setting } from "./browser.mjs";

const load = (name) => import(pathToFileURL(`${setting("PELTON_PAGE")}/${name}`));
const { Parser } = await load("sse.js");
const { History, Job, Store, quantile } = await load("store.js");
const format = await load("format.js");

test("events are the same however the stream is cut", () => {
  const text =
    ': hello\r\n\r\nevent: jobs\ndata: {"a":\ndata: 1}\nid: 7\n\ndata:second\r\n\r\nevent: lost\n\ndata: é\r\rretry: 5\ndata\n\n';
  const whole = new Parser().feed(text);
  assert.deepEqual(
    whole.map(({ event, data }) => [event, data]),
    [
      ["jobs", '{"a":\n1}'],
      ["message", "second"],
      ["message", "é"],
      ["message", ""],
    ],
  );
  assert.deepEqual(
    whole.map(({ id }) => id),
    ["7", "7", "7", "7"],
  );
  for (let size = 1; size < 9; size++) {
    const parser = new Parser();
    const found = [];
    for (let at = 0; at < text.length; at += size) found.push(...parser.feed(text.slice(at, at + size)));
    assert.deepEqual(found, whole, `in pieces of ${size}`);
  }
});

test("a day of figures takes no more than two minutes of them", () => {
  const history = new History();
  for (let at = 0; at < 86_400; at++)
    history.push(
      at,
      new Map([
        ["in", at],
        [`out ${at % 1000}`, 1],
      ]),
    );
  assert.equal(history.series.size, 2, "names that went are forgotten");
  assert.ok(history.times.length < 200 && history.since("in", 0).length < 200);
  assert.equal(history.last("in"), 86_399);
  assert.deepEqual(history.since("in", 86_397), [
    [86_397, 86_397],
    [86_398, 86_398],
    [86_399, 86_399],
  ]);
});

const view = (records, more) => ({
  name: "j",
  state: "running",
  submitted: "t",
  lag: 3,
  memory_bytes: 1,
  partitions: [],
  conditions: [],
  ...more,
  counts: {
    records_in: records,
    bytes_in: 0,
    batch_times: [0, 0, records / 16, 0],
    cpu_seconds: records / 100,
    rejects: 0,
    dead_letters: 0,
    sinks: [{ name: "s", records_out: records / 2 }],
  },
});

/** Without the last digits, in which sums of fractions differ. */
const near = (value) => Number(value.toPrecision(12));

test("rates are differences over the time between", () => {
  const job = new Job(view(100), 10);
  assert.equal(job.now("in"), null, "of one view alone there is no rate");
  job.observe(view(300), 12);
  assert.deepEqual([job.now("in"), job.now("out s"), near(job.now("p50")), job.now("cpu")], [100, 50, 0.000_15, 1]);
  job.observe(view(310), 12.1);
  assert.equal(job.now("in"), 100, "views that come close together are taken together");
  job.observe(view(400), 13);
  assert.equal(job.now("in"), 100);
  job.sweep(16);
  assert.equal(job.now("in"), 0, "what is not sent has not changed");
  job.observe(view(500), 17);
  assert.ok(job.now("in") > 50, "the silence does not thin the rate that comes after it");
  job.observe(view(5), 19);
  assert.equal(job.now("in"), null, "a host that was started again counts anew");
});

test("a job's charts begin with what the host has kept", () => {
  const job = new Job(view(100), 200);
  job.observe(view(140), 202);
  job.recall({ ago: 0.5, points: 3, figures: { in: [null, 7, 9], lag: [4] } }, 202);
  const times = (name) => job.history.since(name, 0).map(([at, value]) => [at, Number.isNaN(value) ? null : value]);
  assert.deepEqual(times("in"), [
    [199.5, null],
    [200.5, 7],
    [201.5, 9],
  ]);
  assert.deepEqual(
    times("lag").map(([, value]) => value),
    [4, 4, 4],
    "one value stands for all",
  );
  job.observe(view(160), 203);
  assert.deepEqual([job.now("in"), job.history.length], [20, 4], "and go on");
  // A host that was started again has less than the page.
  job.recall({ ago: 0, points: 1, figures: { in: [1] } }, 210);
  assert.deepEqual(
    times("in").map(([, value]) => value),
    [null, 7, 9, 20, 1],
  );
  const full = Array.from({ length: 120 }, (_, i) => i);
  job.recall({ ago: 0, points: 120, figures: { in: full } }, 300);
  assert.equal(job.history.span(300), 119);
  assert.ok(job.history.times.length < 200);
});

test("quantiles of batch times", () => {
  assert.equal(quantile([], 0.5), null);
  assert.equal(quantile([0, 0, 0], 0.5), null);
  assert.equal(near(quantile([4, 0, 0], 0.5)), 0.000_025, "in the middle of the first bucket");
  assert.equal(near(quantile([98, 0, 2, 0], 0.99)), 0.000_15, "in the middle of the third");
  assert.equal(near(quantile([1, 0, 3], 0.99)), 0.000_1, "longer than the last bound");
});

test("the first event after a connect is all there is", () => {
  const store = new Store();
  store.apply({ jobs: [view(1), view(1, { name: "k" })], available: [{ file: "a" }] }, true, 0);
  assert.deepEqual(
    store.sorted().map((job) => job.view.name),
    ["j", "k"],
  );
  const changed = store.apply({ jobs: [view(2, { state: "failed" })], gone: [] }, false, 1);
  assert.deepEqual(
    changed.map(({ name }) => name),
    ["j"],
  );
  assert.deepEqual([store.jobs.size, store.available.length], [2, 1]);
  store.apply({ jobs: [view(2)] }, true, 2);
  assert.deepEqual([...store.jobs.keys()], ["j"]);
});

test("figures", () => {
  const cases = [
    [format.count(1234567), "1.23 M"],
    [format.count(999_999), "999,999"],
    [format.count(null), "–"],
    [format.rate(0), "0"],
    [format.rate(0.001), "<0.01"],
    [format.rate(12_345), "12.3 k"],
    [format.bytes(1023), "1023 B"],
    [format.bytes(3 * 2 ** 20), "3 MiB"],
    [format.duration(0.000_442), "442 µs"],
    [format.duration(0.0123), "12.3 ms"],
    [format.share(0.021), "2.1 %"],
    [format.plural(1, "job"), "1 job"],
    [format.plural(0, "job"), "0 jobs"],
    [format.hex(new Uint8Array([0, 65, 255])), "000000  00 41 ff                                         .A."],
  ];
  for (const [found, wanted] of cases) assert.equal(found, wanted);
  assert.equal(format.hex(new Uint8Array(5000)).split("\n").at(-1), "… 904 B more");
  assert.deepEqual(format.base64("no base64!"), new Uint8Array());
});
