/** Rows become columns once a batch is done, each value checked against its type, as the engine does natively. */

import { bytesOf, pack, validityOf } from './packed.js';

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
  const values = rows.map((row) => row[at]);
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

function longs(column, values) {
  const data = new BigInt64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    let value = values[i];
    if (value === null) continue;
    if (value instanceof Date && column.type !== 'int8') value = value.getTime() * 1000;
    if (Number.isSafeInteger(value)) value = BigInt(value);
    if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) throw misfit(column, i, values[i]);
    data[i] = value;
  }
  return data;
}

function packedText(column, values) {
  const row = values.findIndex((value) => typeof value !== 'string' && value !== null);
  if (row !== -1) throw misfit(column, row, values[row]);
  return pack(values);
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
