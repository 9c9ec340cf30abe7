/**
 * What a job makes of a batch, gathered per sink. Emitting only notes references; values are checked and packed column by
 * column when the batch is done. Bytes must therefore not change after they were emitted.
 */

import { columnOf, Misfit } from './columns.js';
import { bytesOf, pack, packNullable } from './packed.js';

/** A mistake of the job in its outputs: a text without stack, and the record that it happened at. */
export class Mistake {
  constructor(record, reason) {
    this.record = record;
    this.reason = reason;
  }
}

export class Outputs {
  constructor(sinks) {
    this._states = new Map(sinks.map((sink, index) => [sink, { sink, index, open: null }]));
    this._done = [];
    this._at = 0;
  }

  forward(sink) {
    this._open(sink, 'forward').origin.push(this._at);
  }

  send(sink, key, value, headers) {
    const open = this._open(sink, 'messages');
    if (!isBytes(key)) throw this._mistake(sink, 'a key is a string, a Uint8Array or null');
    if (!isBytes(value)) throw this._mistake(sink, 'a value is a string, a Uint8Array or null');
    if (headers !== undefined && headers.length !== 0) {
      for (const [name, content] of headers) {
        if (typeof name !== 'string' || !isBytes(content)) {
          throw this._mistake(sink, 'a header is a name and a string, a Uint8Array or null');
        }
      }
      open.headers.set(open.origin.length, headers);
    }
    open.origin.push(this._at);
    open.keys.push(key);
    open.values.push(value);
  }

  row(sink, values) {
    const open = this._open(sink, 'rows');
    if (values.length !== sink.columns.length) {
      throw this._mistake(sink, `a row has ${sink.columns.length} values, not ${values.length}`);
    }
    open.origin.push(this._at);
    open.rows.push(values);
  }

  // The open output of this kind. Another kind is closed first, so that a sink gets its outputs in the order of the job.
  _open(sink, kind) {
    const state = this._states.get(sink);
    if (state === undefined) throw this._mistake(sink, "not among the sinks of the job's spec");
    const open = state.open;
    if (open !== null && open.kind === kind) return open;
    if ((kind === 'rows') !== (sink.columns !== null)) {
      const topic = sink.columns === null;
      throw this._mistake(sink, topic ? 'a topic takes no rows' : 'a table or statement takes rows, not messages');
    }
    if (open !== null) this._done.push(open);
    state.open = { kind, sink, index: state.index, origin: [], keys: [], values: [], headers: new Map(), rows: [] };
    return state.open;
  }

  _mistake(sink, reason) {
    return new Mistake(this._at, `sink \`${sink?.name}\`: ${reason}`);
  }

  /** Forgets what was gathered. */
  clear() {
    this._done = [];
    for (const state of this._states.values()) state.open = null;
  }

  /** The batch's outputs as they cross; empty afterwards. Throws a Mistake. */
  finish() {
    const outputs = this._done;
    for (const state of this._states.values()) if (state.open !== null) outputs.push(state.open);
    this.clear();
    return outputs.map(seal);
  }
}

function isBytes(item) {
  return typeof item === 'string' || item === null || item instanceof Uint8Array;
}

function seal(open) {
  const sink = open.index;
  const origin = bytesOf(Uint32Array.from(open.origin));
  if (open.kind === 'forward') return { tag: 'forward', val: { sink, origin } };
  if (open.kind === 'messages') {
    const headers = open.headers.size === 0 ? undefined : sealHeaders(open);
    const val = { sink, origin, keys: packNullable(open.keys), values: packNullable(open.values), headers };
    return { tag: 'messages', val };
  }
  try {
    const columns = open.sink.columns.map((column, at) => columnOf(column, open.rows, at));
    return { tag: 'rows', val: { sink, origin, columns } };
  } catch (error) {
    if (error instanceof Misfit) throw new Mistake(open.origin[error.row], `sink \`${open.sink.name}\`: ${error.reason}`);
    throw error;
  }
}

function sealHeaders(open) {
  const ends = new Uint32Array(open.origin.length);
  const names = [];
  const values = [];
  for (let i = 0; i < ends.length; i++) {
    for (const [name, value] of open.headers.get(i) ?? []) {
      names.push(name);
      values.push(value);
    }
    ends[i] = names.length;
  }
  return { ends: bytesOf(ends), names: pack(names), values: packNullable(values) };
}
