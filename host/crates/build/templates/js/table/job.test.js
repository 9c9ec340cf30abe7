import assert from 'node:assert/strict';
import test from 'node:test';
import { run } from 'pelton-job/testing';
import job, { READINGS } from './job.js';

const READING = '{"message_id": "a", "sensor_id": 4, "message": {"temperature": 27.5}, "timestamp": "1970-01-01T01:00:02+01:00"}';

test('a reading is a row', () => {
  const values = ['a', 4, 27.5, '{"temperature": 27.5}', 2_000_000n];
  assert.deepEqual(run(job, [READING]).rows(READINGS), [{ record: 0, values }]);
});

test('what has no place in the table is rejected', () => {
  const result = run(job, [READING.replace('4', '"four"'), READING.replace('"message_id": "a", ', '')]);
  assert.deepEqual(result.rows(READINGS), []);
  assert.deepEqual(result.rejects, [
    [0, '`sensor_id` is not an integer: "four"'],
    [1, 'missing field `message_id` in value'],
  ]);
});
