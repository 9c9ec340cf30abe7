/** Fields of a record's JSON. The engine brings the same natively; what stands here serves under node. */

import { exact } from './exact.js';
import { rawOf } from './raw.js';
import { reject } from './reject.js';
import { respace } from './python.js';
import { microseconds } from './timestamp.js';

const native = globalThis.pelton?.fields;

/** Checks at once what a job reads of each record. `index.d.ts` has the details. */
export function fields(description) {
  const list = Object.entries(description).map(([name, [path, kind, nullable]]) => {
    if (!Object.hasOwn(KINDS, kind)) throw new TypeError(`field \`${name}\` is read as one of ${Object.keys(KINDS).join(', ')}`);
    if (nullable !== undefined && nullable !== 'nullable') throw new TypeError(`field \`${name}\` is 'nullable' or not`);
    return [name, path, kind, nullable === 'nullable'];
  });
  if (list.length > 64) throw new RangeError('at most 64 fields are read at a time');
  return native ? native(list.map((field) => field.map(String))) : new Fields(list);
}

export class Fields {
  constructor(list) {
    this._list = list.map(([name, path, kind, nullable]) => ({ name, path: path.split('.'), read: KINDS[kind], nullable }));
  }

  /** What a record's `fields` gives. */
  of(record) {
    const value = record.json();
    if (typeof value !== 'object' || value === null || Array.isArray(value)) reject('value is not a JSON object');
    const text = record.text();
    const found = {};
    for (const { name, path, read, nullable } of this._list) {
      const raw = path.reduce((json, part) => json && rawOf(json, part), text);
      const isNull = nullable && (raw === undefined || raw === 'null');
      if (raw === undefined && !isNull) missing(path);
      found[name] = isNull ? null : read(path.at(-1), raw);
    }
    return found;
  }
}

const KINDS = {
  text(name, raw) {
    if (raw[0] !== '"') wrong(name, 'not a string', raw);
    const text = JSON.parse(raw);
    if (!text.isWellFormed()) wrong(name, 'not valid Unicode', raw);
    if (text.includes('\0')) reject(`\`${name}\` holds a NUL character`);
    return text;
  },
  int4: (name, raw) => Number(integer(name, raw, 32, 'INT')),
  int8(name, raw) {
    return exact(integer(name, raw, 64, 'BIGINT'));
  },
  float8(name, raw) {
    if (!/^[-\d]/.test(raw)) wrong(name, 'not a number', raw);
    if (!Number.isFinite(Number(raw))) wrong(name, 'beyond the range of a double', raw);
    return Number(raw);
  },
  boolean(name, raw) {
    if (raw !== 'true' && raw !== 'false') wrong(name, 'not a boolean', raw);
    return raw === 'true';
  },
  timestamptz: (name, raw) =>
    microseconds(KINDS.text(name, raw)) ?? wrong(name, 'not a time with offset (RFC 3339)', raw),
  object(name, raw) {
    if (raw[0] !== '{') wrong(name, 'not a JSON object', raw);
    // An escape of the character, and not an escaped backslash before its text.
    if (/(?<!\\)(?:\\\\)*\\u0000/.test(raw)) reject(`\`${name}\` holds a NUL character`);
    return respace(raw);
  },
};

function integer(name, raw, bits, column) {
  if (!/^-?\d+$/.test(raw)) wrong(name, 'not an integer', raw);
  const value = BigInt(raw);
  if (BigInt.asIntN(bits, value) !== value) wrong(name, `beyond the range of ${column}`, raw);
  return value;
}

function missing(path) {
  const place = path.length === 1 ? 'value' : `\`${path.slice(0, -1).join('.')}\``;
  reject(`missing field \`${path.at(-1)}\` in ${place}`);
}

function wrong(name, what, raw) {
  const characters = Array.from(raw);
  reject(`\`${name}\` is ${what}: ${characters.length > 60 ? `${characters.slice(0, 60).join('')}…` : raw}`);
}
