import assert from 'node:assert/strict';
import test from 'node:test';
import { run } from 'pelton-job/testing';
import job, { LONG_WORDS } from './job.js';

test('long words are passed on', () => {
  assert.deepEqual(run(job, ['four', 'longer']).forwards(LONG_WORDS), [1]);
  assert.deepEqual(run(job, ['four', 'longer'], { letters: 6 }).forwards(LONG_WORDS), []);
});

test('what is not one word is rejected', () => {
  assert.deepEqual(run(job, ['two words', '']).rejects, [
    [0, 'more than one word'],
    [1, 'value is empty'],
  ]);
});
