/** A record as a job sees it: a view into the batch. What is not asked for costs nothing. */

import { exact } from './exact.js';
import { itemOf, nullableItemOf, openedHeaders, openedNullable, textOf, validUpTo } from './packed.js';
import { Fields } from './fields.js';
import { rawOf } from './raw.js';
import { reject } from './reject.js';

/** What the records of one batch share. Keys and headers are opened when a job first asks for one. */
export class View {
  constructor(batch) {
    this.batch = batch;
    this.values = openedNullable(batch.values);
    this._keys = undefined;
    this._headers = undefined;
  }

  get keys() {
    return (this._keys ??= openedNullable(this.batch.keys));
  }

  /** Undefined where the source has none. */
  get headers() {
    return (this._headers ??= openedHeaders(this.batch.headers));
  }
}

function int64(bytes, index) {
  return exact(new DataView(bytes.buffer, bytes.byteOffset + index * 8, 8).getBigInt64(0, true));
}

/** How deep arrays and objects may lie in each other, in every SDK. */
const MAX_DEPTH = 128;

// Of what is JSON.
function isTooDeep(json) {
  let depth = 0;
  return (json.match(/"(?:[^"\\]|\\.)*"|[{}[\]]/g) ?? []).some((token) => {
    if (token === '{' || token === '[') depth++;
    else if (token[0] !== '"') depth--;
    return depth > MAX_DEPTH;
  });
}

export class Record {
  constructor(view, index) {
    this._view = view;
    this._index = index;
  }

  get key() {
    return nullableItemOf(this._view.keys, this._index);
  }

  get value() {
    return nullableItemOf(this._view.values, this._index);
  }

  text() {
    const bytes = this.value;
    if (bytes === null) return reject('value is null (a tombstone)');
    if (bytes.length === 0) return reject('value is empty');
    try {
      return textOf(bytes);
    } catch {
      return reject(`value is not UTF-8: invalid at byte ${validUpTo(bytes)}`);
    }
  }

  json() {
    const text = this.text();
    let value;
    try {
      value = JSON.parse(text);
    } catch (error) {
      return reject(`value is not JSON: ${error.message}`);
    }
    return isTooDeep(text) ? reject('value is not JSON: nested too deeply') : value;
  }

  fields(fields) {
    if (!(fields instanceof Fields)) throw new TypeError('given what is no Fields');
    return fields.of(this);
  }

  raw(name) {
    this.json();
    return rawOf(this.text(), name);
  }

  keyText() {
    const key = this.key;
    if (key === null) return null;
    try {
      return textOf(key);
    } catch {
      return reject(`key is not UTF-8: invalid at byte ${validUpTo(key)}`);
    }
  }

  get headers() {
    const headers = this._view.headers;
    if (!headers) return [];
    const list = [];
    for (let i = this._index === 0 ? 0 : headers.ends[this._index - 1]; i < headers.ends[this._index]; i++) {
      list.push([textOf(itemOf(headers.names, i)), nullableItemOf(headers.values, i)]);
    }
    return list;
  }

  get timestamp() {
    const timestamp = int64(this._view.batch.timestamps, this._index);
    return timestamp === -1 ? null : timestamp;
  }

  get offset() {
    return int64(this._view.batch.offsets, this._index);
  }

  get partition() {
    return this._view.batch.partition;
  }

  get source() {
    return this._view.batch.source;
  }
}
