import assert from 'node:assert/strict';
import test from 'node:test';
import { run } from 'pelton-job/testing';
import job, { LOCATED } from './job.js';

const SITES = '{"4": "Hall 1"}';
const reading = (sensor_id) => JSON.stringify({ sensor_id, message: { temperature: 27.5 } });

test('a reading gets its site', () => {
  const result = run(job, [reading(4), reading(5)], { sites: SITES });
  const located = '{"sensor_id":4,"site":"Hall 1","temperature":27.5}';
  assert.deepEqual(result.messages(LOCATED).map((message) => message.value), [located]);
  assert.deepEqual(result.rejects, [[1, 'sensor 5 has no site']]);
});

test('sites that are no JSON refuse the submit', () => {
  assert.throws(() => run(job, [], { sites: '{' }));
});
