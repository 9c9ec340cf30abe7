import assert from 'node:assert/strict';
import test from 'node:test';
import { run } from 'pelton-job/testing';
import job, { HOT } from './job.js';

const reading = (temperature) => JSON.stringify({ message: { temperature } });

test('hot readings are passed on', () => {
  assert.deepEqual(run(job, [reading(30), reading(30.1)]).forwards(HOT), [1]);
  assert.deepEqual(run(job, [reading(27)], { above: 26.5 }).forwards(HOT), [0]);
});

test('what has no temperature is rejected', () => {
  assert.deepEqual(run(job, [reading(), reading('hot')]).rejects, [
    [0, 'missing field `temperature` in `message`'],
    [1, '`temperature` is not a number: "hot"'],
  ]);
});

test('the temperature is a number', () => {
  assert.throws(() => run(job, [], { above: 'warm' }), /above/);
});
