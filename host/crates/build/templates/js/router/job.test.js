import assert from 'node:assert/strict';
import test from 'node:test';
import { run } from 'pelton-job/testing';
import job, { COLD, HOT, MILD } from './job.js';

const READINGS = [9.9, 10, 30, 30.1].map((temperature) => JSON.stringify({ message: { temperature } }));

test('each reading goes to one topic', () => {
  const result = run(job, READINGS);
  assert.deepEqual([COLD, MILD, HOT].map((topic) => result.forwards(topic)), [[0], [1, 2], [3]]);
});

test('what is no reading is rejected', () => {
  assert.deepEqual(run(job, ['{"message": {}}']).rejects, [[0, 'missing field `temperature` in `message`']]);
});

test('the bounds are parameters', () => {
  assert.deepEqual(run(job, READINGS, { hot: 9, cold: 5 }).forwards(HOT), [0, 1, 2, 3]);
  assert.throws(() => run(job, [], { cold: 31 }), /`cold` is above `hot`/);
});
