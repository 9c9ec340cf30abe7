/** The fake host does what the engine does: the probe's records, in both. What the engine makes of them is `pelton test`'s to
 * check, against the same file. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { run } from '../src/testing.js';

const folder = new URL('../../../js/probe/', import.meta.url);
const { default: job, OUT, ROWS } = await import(new URL('job.js', folder));
const lines = async (name) => (await readFile(new URL(name, folder), 'utf8')).trim().split('\n').map(parsed);
// Integers of 64 bits as text, which the fake host takes too: JSON.parse would round them.
const parsed = (line) => JSON.parse(line.replace(/"(offset|timestamp)": (\d{16,})/g, '"$1": "$2"'));

const records = (await lines('shared.jsonl')).map(({ key_base64: key, ...record }) =>
  key === undefined ? record : { ...record, key: new Uint8Array(Buffer.from(key, 'base64')) },
);
const golden = await lines('shared.golden.jsonl');

/** What a record came to, without its place in the batch. */
function outcome(record) {
  try {
    const result = run(job, [record]);
    return {
      values: result.messages(OUT).map(({ key, value, headers }) => ({ key, value, headers })),
      forwards: result.forwards(OUT).length,
      rows: Object.entries(ROWS).flatMap(([name, sink]) => result.rows(sink).map(() => name)),
      rejects: result.rejects.map(([, reason]) => reason),
    };
  } catch (error) {
    return { failure: error.message };
  }
}

function expected(index) {
  const own = golden.filter(({ record }) => record === index);
  const failure = own.find((line) => line.failure);
  if (failure) return { failure: failure.failure.replace('the job failed: ', '') };
  return {
    values: own.filter((line) => 'value' in line).map(({ key, value, headers = [] }) => ({ key, value, headers })),
    forwards: own.filter((line) => line.forward).length,
    rows: own.filter((line) => line.row).map(({ sink }) => sink),
    rejects: own.flatMap(({ reject = [] }) => reject),
  };
}

/** Holds a text to one in which `…` stands for any other. */
function hold(found, wanted, where) {
  const place = (text) => text.replace(/ offset \d+/, ' offset N');
  const start = wanted.split('…')[0];
  assert.equal(wanted.includes('…') ? place(found).slice(0, place(start).length) : place(found), place(start), where);
}

records.forEach((record, index) => {
  test(String(record.key), () => {
    const [found, wanted] = [outcome(record), expected(index)];
    if (wanted.failure) return hold(found.failure ?? 'no failure', wanted.failure, String(record.key));
    wanted.rejects.forEach((reason, n) => hold(found.rejects?.[n] ?? 'no reject', reason, String(record.key)));
    const order = (outcome) => ({ ...outcome, rows: [...outcome.rows].sort(), rejects: outcome.rejects.length });
    return assert.deepEqual(order(found), order(wanted));
  });
});
