/** One reading of a sensor. Both example jobs agree on what is one: a record that one of them rejects, the other rejects for
 * the same reason. */

import { reject } from 'pelton-job';
import * as python from './python.js';
import { microseconds } from './timestamp.js';

/** How deep arrays and objects may lie in each other, as in the Rust jobs. */
const MAX_DEPTH = 128;
// The engine has no Unicode tables for `\p`; in mode `u` a pair is one character, and not in this range.
const LONE_SURROGATE = /[\ud800-\udfff]/u;

// In valid JSON nothing but a number is of these characters alone.
const NUMBERS = /^\{"temperature": [-+.\deE]+, "pressure": [-+.\deE]+, "vibration": [-+.\deE]+\}$/;

/** Reads a record's value, or rejects the record with what is wrong. */
export function parse(record) {
  const text = record.text();
  const value = record.json();
  // Nesting beyond the limit takes more characters than an ordinary reading has.
  if (text.length > 2 * MAX_DEPTH && depthOf(text) > MAX_DEPTH) reject('value is not JSON: nested too deeply');
  if (value === null || typeof value !== 'object' || Array.isArray(value)) reject('value is not a JSON object');

  const { message_id: id, sensor_id: sensor, message, timestamp } = value;
  if (typeof message === 'object' && message !== null) {
    // The article's record exactly, as is shown by putting it together again. Numbers are not written anew: that is dear.
    const { temperature } = message;
    const inner = text.slice(text.indexOf('{', 1), text.indexOf('}') + 1);
    if (
      `{"message_id": "${id}", "sensor_id": ${sensor}, "message": ${inner}, "timestamp": "${timestamp}"}` === text &&
      NUMBERS.test(inner) && typeof temperature === 'number' && Number.isFinite(temperature) &&
      typeof sensor === 'number' && (sensor | 0) === sensor
    ) {
      return { id, sensor, message: inner, temperature, timestamp, micros: micros(timestamp) };
    }
  }
  return any(text, value);
}

// Any JSON object, its fields checked in the order of the Rust jobs.
function any(text, value) {
  const id = stringOf('message_id', value.message_id);
  if (id.includes('\0')) reject('`message_id` holds a NUL character');
  const inner = value.message;
  if (inner === undefined) missing('message', 'value');
  if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) wrong('message', 'not a JSON object', inner);
  const source = messageOf(text);
  if (/(?<!\\)(?:\\\\)*\\u0000/.test(source)) reject('`message` holds a NUL character');
  if (inner.temperature === undefined) missing('temperature', '`message`');
  const timestamp = stringOf('timestamp', value.timestamp);
  const time = micros(timestamp);
  const sensor = value.sensor_id;
  if (sensor === undefined) missing('sensor_id', 'value');
  if (typeof sensor !== 'number' || !(Number.isInteger(sensor) || Math.abs(sensor) === Infinity)) {
    wrong('sensor_id', 'not an integer', sensor);
  }
  if ((sensor | 0) !== sensor) wrong('sensor_id', 'beyond the range of INT', sensor);
  const { temperature } = inner;
  if (typeof temperature !== 'number') wrong('temperature', 'not a number', temperature);
  if (!Number.isFinite(temperature)) wrong('temperature', 'beyond the range of a double', temperature);
  return { id, sensor: sensor | 0, message: python.respace(source), temperature, timestamp, micros: time };
}

/** The alert on a reading, as the article's job writes it: `json.dumps` of a dictionary. */
export function alert(reading) {
  return (
    `{"message_id": ${python.string(reading.id)}, "sensor_id": ${reading.sensor}, ` +
    `"temperature": ${python.float(reading.temperature)}, "alert": "High temperature detected", ` +
    `"timestamp": ${python.string(reading.timestamp)}}`
  );
}

function micros(timestamp) {
  return microseconds(timestamp) ?? wrong('timestamp', 'not a time with offset (RFC 3339)', timestamp);
}

function stringOf(name, field) {
  if (field === undefined) missing(name, 'value');
  if (typeof field !== 'string') wrong(name, 'not a string', field);
  if (LONE_SURROGATE.test(field)) wrong(name, 'not valid Unicode', field);
  return field;
}

function missing(name, place) {
  reject(`missing field \`${name}\` in ${place}`);
}

function wrong(name, what, value) {
  const text = value === Infinity ? 'too large' : JSON.stringify(value);
  const characters = Array.from(text);
  reject(`\`${name}\` is ${what}: ${characters.length > 60 ? `${characters.slice(0, 60).join('')}…` : text}`);
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]]/g;

function depthOf(json) {
  let depth = 0;
  let deepest = 0;
  for (const [token] of json.matchAll(TOKEN)) {
    if (token === '{' || token === '[') deepest = Math.max(deepest, ++depth);
    else if (token[0] !== '"') depth--;
  }
  return deepest;
}

// The text of the last member `message` of an object, itself an object.
function messageOf(json) {
  let depth = 0;
  let name = '';
  let start = -1;
  let found = '';
  for (const { 0: token, index } of json.matchAll(TOKEN)) {
    if (token[0] === '"') {
      if (depth === 1) name = token;
    } else if (token === '{' || token === '[') {
      if (depth === 1) start = JSON.parse(name) === 'message' ? index : -1;
      depth++;
    } else {
      depth--;
      if (depth === 1 && start !== -1) found = json.slice(start, index + 1);
    }
  }
  return found;
}
