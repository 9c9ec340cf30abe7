/** One reading of a sensor. Both example jobs agree on what is one: a record that one of them rejects, the other rejects for
 * the same reason. */

import { isText, microseconds, reject } from 'pelton-job';
import * as python from 'pelton-job/python';

const { isFinite } = Number;

/** Reads a record's value, or rejects the record with what is wrong: the fields in the order of the Rust jobs. What is not an
 * object has no such fields, and is looked at only then. */
export function parse(record) {
  const value = record.json();
  if (value === null) reject('value is not a JSON object');
  const { message_id: id, sensor_id: sensor, message: inner, timestamp } = value;
  if (!isText(id)) noText('message_id', id, value);
  const temperature = inner?.temperature;
  if (temperature === undefined) mustBeObject(inner);
  // As it is written: JavaScript would print 5.0 as 5.
  const message = record.raw('message');
  if (message.includes('\\u0000') && NUL.test(message)) reject('`message` holds a NUL character');
  if (temperature === undefined) missing('temperature', '`message`');
  if (typeof timestamp !== 'string') noText('timestamp', timestamp, value);
  const micros = microseconds(timestamp) ?? noTime(timestamp);
  if ((sensor | 0) !== sensor) noInteger('sensor_id', sensor);
  if (!isFinite(temperature)) noDouble('temperature', temperature);
  return { id, sensor: sensor | 0, message: python.respace(message), temperature, timestamp, micros };
}

// An escape of the character, and not an escaped backslash before its text.
const NUL = /(?<!\\)(?:\\\\)*\\u0000/;

/** The alert on a reading, as the article's job writes it: `json.dumps` of a dictionary. */
export function alert(reading) {
  return (
    `{"message_id": ${python.string(reading.id)}, "sensor_id": ${reading.sensor}, ` +
    `"temperature": ${python.float(reading.temperature)}, "alert": "High temperature detected", ` +
    `"timestamp": ${python.string(reading.timestamp)}}`
  );
}

function noText(name, field, value) {
  if (typeof value !== 'object' || Array.isArray(value)) reject('value is not a JSON object');
  if (field === undefined) missing(name, 'value');
  if (typeof field !== 'string') wrong(name, 'not a string', field);
  if (!field.isWellFormed()) wrong(name, 'not valid Unicode', field);
  reject(`\`${name}\` holds a NUL character`);
}

function noTime(timestamp) {
  wrong('timestamp', timestamp.isWellFormed() ? 'not a time with offset (RFC 3339)' : 'not valid Unicode', timestamp);
}

// An object may still lack the field.
function mustBeObject(inner) {
  if (inner === undefined) missing('message', 'value');
  if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) wrong('message', 'not a JSON object', inner);
}

function noInteger(name, field) {
  if (field === undefined) missing(name, 'value');
  const isInteger = Number.isInteger(field) || Math.abs(field) === Infinity;
  wrong(name, isInteger ? 'beyond the range of INT' : 'not an integer', field);
}

function noDouble(name, field) {
  wrong(name, typeof field === 'number' ? 'beyond the range of a double' : 'not a number', field);
}

function missing(name, place) {
  reject(`missing field \`${name}\` in ${place}`);
}

function wrong(name, what, value) {
  const text = value === Infinity ? 'too large' : JSON.stringify(value);
  const characters = Array.from(text);
  reject(`\`${name}\` is ${what}: ${characters.length > 60 ? `${characters.slice(0, 60).join('')}…` : text}`);
}
