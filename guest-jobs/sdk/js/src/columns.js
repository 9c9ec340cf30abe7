/** Rows become columns once a batch is done, each value checked against its type: in one tight loop for each column, or, where
 * all values are plain, by what the engine does natively (each step of a loop costs some 20 ns without a JIT). */

import { bytesOf, pack, packText, validityOf } from './packed.js';

const WANTS = {
  boolean: 'a boolean',
  int2: 'an integer from -32768 to 32767',
  int4: 'an integer from -2147483648 to 2147483647',
  int8: 'a bigint or safe integer',
  float4: 'a number',
  float8: 'a number',
  numeric: 'a string (a decimal number)',
  text: 'a string',
  varchar: 'a string',
  bytea: 'a Uint8Array',
  timestamptz: 'microseconds since 1970 UTC (a bigint or safe integer) or a Date',
  timestamp: 'microseconds since 1970 (a bigint or safe integer) or a Date',
  date: 'days since 1970-01-01 (an integer)',
  uuid: 'a Uint8Array of 16 bytes',
  json: 'a string',
  jsonb: 'a string',
};

/** A value that its column does not take: in which of the rows, and what is wrong. */
export class Misfit {
  constructor(row, reason) {
    this.row = row;
    this.reason = reason;
  }
}

function misfit(column, row, value) {
  const found =
    value === undefined ? 'undefined'
    : typeof value === 'string' ? 'a string'
    : value instanceof Uint8Array ? `a Uint8Array of ${value.length} bytes`
    : value instanceof Date ? 'an invalid Date'
    : typeof value === 'number' || typeof value === 'bigint' ? `the number ${value}`
    : `a value of type ${typeof value}`;
  return new Misfit(row, `${column.label} is ${column.type} and takes ${WANTS[column.type]}, not ${found}`);
}

/** Column `at` of these rows, as it crosses. Throws a Misfit. */
export function columnOf(column, rows, at) {
  const values = new Array(rows.length);
  for (let i = 0; i < values.length; i++) values[i] = rows[i][at];
  return { validity: validityOf(values), data: dataOf(column, values) };
}

function dataOf(column, values) {
  switch (column.type) {
    case 'boolean':
      return { tag: 'booleans', val: Uint8Array.from(values, (value, row) => booleanOf(column, value, row)) };
    case 'int2':
      return { tag: 'int16s', val: bytesOf(integers(column, values, new Int16Array(values.length))) };
    case 'int4':
    case 'date':
      return { tag: 'int32s', val: bytesOf(integers(column, values, new Int32Array(values.length))) };
    case 'int8':
    case 'timestamptz':
    case 'timestamp':
      return { tag: 'int64s', val: bytesOf(longs(column, values)) };
    case 'float4':
      return { tag: 'float32s', val: bytesOf(floats(column, values, new Float32Array(values.length))) };
    case 'float8':
      return { tag: 'float64s', val: bytesOf(floats(column, values, new Float64Array(values.length))) };
    case 'bytea':
    case 'uuid':
      return { tag: 'packed', val: packedBytes(column, values) };
    default:
      return { tag: 'packed', val: packedText(column, values) };
  }
}

function booleanOf(column, value, row) {
  if (typeof value !== 'boolean' && value !== null) throw misfit(column, row, value);
  return value === true;
}

// A typed array keeps a number only if it is in its range: what reads back as another did not fit.
function integers(column, values, data) {
  const text = jsonOf(values);
  // What is no number is `null` there, or in quotes.
  if (text !== undefined && !text.includes('n')) {
    data.set(values);
    if (`[${data.join()}]` === text) return data;
  }
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    data[i] = value;
    if (data[i] !== value && value !== null) throw misfit(column, i, value);
  }
  return data;
}

function floats(column, values, data) {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value !== 'number' && value !== null) throw misfit(column, i, value);
    data[i] = value;
  }
  return data;
}

// As JSON: numbers differ there from everything else. Undefined for what JSON has no word for.
function jsonOf(values) {
  try {
    return JSON.stringify(values);
  } catch {
    return undefined;
  }
}

/** More arguments may be too many for a call. */
const MOST = 4096;
const NOT_NATURAL = ['.', 'e', '-', '"', 'n', '{'];

/** Whether all are safe integers, none below 0. */
function areNatural(values) {
  if (values.length > MOST) return false;
  const text = jsonOf(values);
  if (text === undefined || text.lastIndexOf('[') !== 0) return false;
  for (const sign of NOT_NATURAL) if (text.includes(sign)) return false;
  return Math.max.apply(null, values) <= Number.MAX_SAFE_INTEGER;
}

// Numbers are written as two halves: a BigInt for each would cost more than all the rest of a value.
function longs(column, values) {
  const data = new BigInt64Array(values.length);
  const halves = new Int32Array(data.buffer);
  if (areNatural(values)) {
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      halves[2 * i] = value;
      halves[2 * i + 1] = value / 4294967296;
    }
    return data;
  }
  for (let i = 0; i < values.length; i++) {
    let value = values[i];
    if (value === null) continue;
    if (typeof value === 'object' && value instanceof Date && column.type !== 'int8') value = value.getTime() * 1000;
    if (Number.isSafeInteger(value)) {
      halves[2 * i] = value;
      halves[2 * i + 1] = Math.floor(value / 4294967296);
    } else if (typeof value === 'bigint' && BigInt.asIntN(64, value) === value) {
      data[i] = value;
    } else {
      throw misfit(column, i, values[i]);
    }
  }
  return data;
}

function packedText(column, values) {
  const packed = packText(values);
  if (packed !== null) return packed;
  const row = values.findIndex((value) => typeof value !== 'string' && value !== null);
  throw misfit(column, row, values[row]);
}

function packedBytes(column, values) {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value === null) continue;
    if (!(value instanceof Uint8Array)) throw misfit(column, i, value);
    if (column.type === 'uuid' && value.length !== 16) throw misfit(column, i, value);
  }
  return pack(values);
}
