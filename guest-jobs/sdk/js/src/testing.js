/** A fake host: runs a job under plain node, over records given in a test, through the same packing as in the real one. */

import { connect } from './host.js';
import {
  bytesOf,
  isValid,
  itemOf,
  nullableItemOf,
  opened,
  openedHeaders,
  openedNullable,
  pack,
  packNullable,
  textOf,
  uint32s,
} from './packed.js';
import { Runner } from './runner.js';
import { parametersOf } from './spec.js';

/** Configures a job and hands it one batch: partition 0. `testing.d.ts` has the details. */
export function run(job, records, parameters = {}) {
  const runner = new Runner(job);
  const logs = [];
  const metrics = [];
  const before = connect({
    log: (level, message) => logs.push([level, message]),
    count: (name, value) => metrics.push([name, Number(value)]),
    gauge: (name, value) => metrics.push([name, value]),
  });
  try {
    runner.configure(settingsOf(parametersOf(job), parameters));
    const inputs = Array.from(records, inputOf);
    return new Run(job, runner.process(batchOf(inputs)), logs, metrics);
  } finally {
    connect(before);
  }
}

function settingsOf(declared, given) {
  for (const name of Object.keys(given)) {
    if (!declared.some((parameter) => parameter.name === name)) {
      throw new Error(`the job has no parameter \`${name}\``);
    }
  }
  return declared.map(({ name, default: value }) => {
    const setting = given[name] ?? value;
    if (setting === undefined) throw new Error(`parameter \`${name}\` is not set`);
    return [name, String(setting)];
  });
}

function inputOf(record) {
  const plain = record === null || typeof record === 'string' || record instanceof Uint8Array;
  const { key = null, value = null, headers = [], timestamp = null, offset } = plain ? { value: record } : record;
  return { key, value, headers, timestamp, offset };
}

/** Records as they cross. */
export function batchOf(inputs, partition = 0, source = 0) {
  let headers = 0;
  const pairs = inputs.flatMap((input) => input.headers);
  return {
    source,
    partition,
    offsets: bytesOf(BigInt64Array.from(inputs, ({ offset }, index) => BigInt(offset ?? index))),
    timestamps: bytesOf(BigInt64Array.from(inputs, (input) => BigInt(input.timestamp ?? -1))),
    keys: packNullable(inputs.map((input) => input.key)),
    values: packNullable(inputs.map((input) => input.value)),
    headers: {
      ends: bytesOf(Uint32Array.from(inputs, (input) => (headers += input.headers.length))),
      names: pack(pairs.map(([name]) => name)),
      values: packNullable(pairs.map(([, value]) => value)),
    },
  };
}

class Run {
  #job;
  #outputs;

  constructor(job, outcome, logs, metrics) {
    this.#job = job;
    this.#outputs = outcome.outputs;
    this.rejects = outcome.rejects.map(({ index, reason }) => [index, reason]);
    this.logs = logs;
    this.metrics = metrics;
  }

  forwards(sink) {
    return this.#of(sink, 'forward').flatMap(({ origin }) => Array.from(uint32s(origin)));
  }

  messages(sink) {
    return this.#of(sink, 'messages').flatMap((output) => {
      const keys = openedNullable(output.keys);
      const values = openedNullable(output.values);
      const headers = openedHeaders(output.headers);
      return Array.from(uint32s(output.origin), (record, n) => ({
        record,
        key: shown(nullableItemOf(keys, n)),
        value: shown(nullableItemOf(values, n)),
        headers: headers === undefined ? [] : headersOf(headers, n),
      }));
    });
  }

  rows(sink) {
    return this.#of(sink, 'rows').flatMap((output) => {
      const columns = output.columns.map((column, at) => valuesOf(column, sink.columns[at].type));
      return Array.from(uint32s(output.origin), (record, n) => ({
        record,
        values: columns.map((valueAt) => valueAt(n)),
      }));
    });
  }

  #of(sink, tag) {
    const index = (this.#job.sinks ?? []).indexOf(sink);
    return this.#outputs.filter((output) => output.tag === tag && output.val.sink === index).map((output) => output.val);
  }
}

// Text where it is UTF-8: what tests compare with.
function shown(bytes) {
  if (bytes === null) return null;
  try {
    return textOf(bytes);
  } catch {
    return bytes.slice();
  }
}

function headersOf(headers, n) {
  const list = [];
  for (let i = n === 0 ? 0 : headers.ends[n - 1]; i < headers.ends[n]; i++) {
    list.push([textOf(itemOf(headers.names, i)), shown(nullableItemOf(headers.values, i))]);
  }
  return list;
}

const NUMBERS = {
  int16s: Int16Array,
  int32s: Int32Array,
  int64s: BigInt64Array,
  float32s: Float32Array,
  float64s: Float64Array,
};

// What reads value `n` of a column.
function valuesOf({ validity, data: { tag, val } }, type) {
  const valueAt = tag === 'packed' ? itemsOf(opened(val), type) : numbersOf(tag, val);
  return (n) => (isValid(validity, n) ? valueAt(n) : null);
}

function itemsOf(items, type) {
  if (type === 'bytea' || type === 'uuid') return (n) => itemOf(items, n).slice();
  return (n) => textOf(itemOf(items, n));
}

function numbersOf(tag, bytes) {
  if (tag === 'booleans') return (n) => bytes[n] === 1;
  const numbers = new NUMBERS[tag](new Uint8Array(bytes).buffer);
  return (n) => numbers[n];
}
