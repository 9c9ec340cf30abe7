/** Fields of a record's JSON, under node. The engine is held to the same by the probe. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { defineJob, fields } from '../src/index.js';
import { run } from '../src/testing.js';

const INNER = '{"temperature": 30.5, "pressure": 1000.12, "vibration": 0.3}';
const GOOD = `{"message_id": "0a1b", "sensor_id": 7, "message": ${INNER}, "timestamp": "2024-05-02T10:11:12.123456+00:00"}`;
const READING = fields({
  id: ['message_id', 'text'], sensor: ['sensor_id', 'int4'], message: ['message', 'object'],
  temperature: ['message.temperature', 'float8'], micros: ['timestamp', 'timestamptz'],
});
const EXPECTED = { id: '0a1b', sensor: 7, message: INNER, temperature: 30.5, micros: 1714644672123456 };

/** What the fields of a value are, or why it is rejected. */
function read(value, wanted = READING) {
  let found;
  const process = (record) => { found = record.fields(wanted); };
  const { rejects } = run(defineJob({ name: 'j', version: '1', description: '', sources: ['in'], process }), [value]);
  return rejects.length === 0 ? found : rejects[0][1];
}

test('every kind is read', () => {
  assert.deepEqual(read(GOOD), EXPECTED);
  const wanted = fields({
    yes: ['yes', 'boolean'], big: ['n', 'int8'], small: ['m', 'int8'], deep: ['a.b.c', 'text'], none: ['no', 'text', 'nullable'],
    nothing: ['nothing', 'int4', 'nullable'],
  });
  const value = '{"yes": true, "a": {"b": {"d": 1}}, "n": -9223372036854775808, "m": 5, "a": {"b": {"c": "\\n"}}, "nothing": null}';
  const found = { yes: true, big: -(2n ** 63n), small: 5, deep: '\n', none: null, nothing: null };
  assert.deepEqual(read(value, wanted), found);
  assert.throws(() => fields({ a: ['a', 'json'] }), /field `a` is read as one of text, /);
});

test('unusual but valid', () => {
  assert.deepEqual(read(GOOD.replaceAll(': ', ':').replaceAll(', ', ' ,')), EXPECTED);
  assert.deepEqual(read(GOOD.replace('message_id', 'm\\u0065ssage_id')), EXPECTED);
  assert.equal(read(GOOD.replace('7,', '-0,')).sensor, 0);
  assert.equal(read(GOOD.replace('pressure', 'temperature')).temperature, 1000.12);
});

test('times are exact in every year', () => {
  const micros = (time) => read(GOOD.replace('2024-05-02T10:11:12.123456+00:00', time)).micros;
  assert.equal(micros('2255-06-05T23:47:34.740991Z'), Number.MAX_SAFE_INTEGER);
  assert.equal(micros('2255-06-05T23:47:34.740993Z'), 9007199254740993n);
  assert.equal(micros('1684-07-28T00:12:25.259007Z'), -9007199254740993n);
  assert.equal(micros('0001-01-01T00:00:00Z'), -62135596800000000n);
  assert.equal(micros('9999-12-31T23:59:59.999999Z'), 253402300799999999n);
});

test('every bad value says why', () => {
  for (const [from, to, reason] of [
    [GOOD, '[]', 'value is not a JSON object'],
    [GOOD, 'null', 'value is not a JSON object'],
    [GOOD, '{}', 'missing field `message_id` in value'],
    ['temperature', 'heat', 'missing field `temperature` in `message`'],
    ['"0a1b"', '12', '`message_id` is not a string: 12'],
    ['0a1b', '\\ud800', '`message_id` is not valid Unicode: "\\ud800"'],
    ['0a1b', '0\\u0000', '`message_id` holds a NUL character'],
    ['1000.12', '"\\\\\\u0000"', '`message` holds a NUL character'],
    ['7,', '7.5,', '`sensor_id` is not an integer: 7.5'],
    ['7,', '1e0,', '`sensor_id` is not an integer: 1e0'],
    ['7,', '0.0,', '`sensor_id` is not an integer: 0.0'],
    ['7,', '2147483647.00000001,', '`sensor_id` is not an integer: 2147483647.00000001'],
    ['7,', '[ 1,2 ],', '`sensor_id` is not an integer: [ 1,2 ]'],
    ['7,', `1${'0'.repeat(4300)},`, `\`sensor_id\` is beyond the range of INT: 1${'0'.repeat(59)}…`],
    ['7,', '2147483648,', '`sensor_id` is beyond the range of INT: 2147483648'],
    ['30.5', '"30.5"', '`temperature` is not a number: "30.5"'],
    ['30.5', '1e999', '`temperature` is beyond the range of a double: 1e999'],
    ['+00:00', '', '`timestamp` is not a time with offset (RFC 3339): "2024-05-02T10:11:12.123456"'],
    [INNER, '[30.5]', '`message` is not a JSON object: [30.5]'],
    ['7,', `"${'é'.repeat(1000)}",`, `\`sensor_id\` is not an integer: "${'é'.repeat(59)}…`],
  ]) {
    assert.equal(read(GOOD.replace(from, () => to)), reason);
  }
});
