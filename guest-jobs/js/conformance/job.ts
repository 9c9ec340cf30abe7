/** Exercises every part of the contract: the value of a record is a command. `guest-jobs/golden` has the commands. */

import { defineJob, log, metrics, reject, statement, table, topic, type Outputs, type Rows } from 'pelton-job';

export const OUT = topic('conformance_out', { name: 'out' });
export const ROWS = table(
  'conformance_rows',
  [
    ['boolean', 'boolean', 'nullable'], ['int2', 'int2', 'nullable'], ['int4', 'int4', 'nullable'],
    ['int8', 'int8', 'nullable'], ['float4', 'float4', 'nullable'], ['float8', 'float8', 'nullable'],
    ['numeric', 'numeric', 'nullable'], ['text', 'text', 'nullable'], ['varchar', 'varchar', 'nullable'],
    ['bytea', 'bytea', 'nullable'], ['timestamptz', 'timestamptz', 'nullable'], ['timestamp', 'timestamp', 'nullable'],
    ['date', 'date', 'nullable'], ['uuid', 'uuid', 'nullable'], ['json', 'json', 'nullable'], ['jsonb', 'jsonb', 'nullable'],
  ],
  { name: 'rows' },
);
export const NOTE = statement('note', 'INSERT INTO notes (id, note) VALUES (?, ?)', ['int8', 'text']);

const UUID = Uint8Array.from({ length: 16 }, (_, index) => index * 0x11);

type Row = typeof ROWS extends Rows<infer V> ? V : never;
const ROW: Row = [
  true, -32768, -2147483648, -9223372036854775808n, 1.5, 0.1, '-12.50', 'é😀', '', Uint8Array.of(0, 255), 1714644672123456n,
  -1, -719162, UUID, '{"a": 1}', '[]',
];
const NULLS: Row = [
  null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
];

/** More outputs of one record than a byte has bits: a batch that is halved can't hide a mistake in them. */
function many(out: Outputs) {
  for (let n = 0; n < 20; n++) {
    const some = (wanted: boolean) => (wanted ? String(n) : null);
    out.send(OUT, some(n % 3 !== 0), some(n < 9 || n >= 18), n < 10 ? [] : [['n', some(n % 2 === 0)]]);
    out.row(NOTE, [n, some(n % 4 !== 1)]);
    out.row(ROWS, n === 9 || n === 16 ? NULLS : ROW);
  }
  out.forward(OUT);
  out.forward(OUT);
  for (let n = 0; n < 9; n++) out.send(OUT, null, null);
}

export default defineJob({
  name: 'conformance',
  version: '0.1.0',
  description: 'Exercises every part of the contract',
  sources: [{ topic: 'conformance', headers: true }],
  sinks: [OUT, ROWS, NOTE],
  parameters: {
    prefix: { description: 'text before each echo', default: '' },
    limit: { description: 'records after which the job stops echoing', default: '1000000' },
  },
  configure: (parameters) => ({ prefix: parameters.text('prefix'), limit: parameters.integer('limit'), records: 0 }),
  process(record, out, settings) {
    settings.records++;
    if (record.value === null) return out.send(OUT, record.key, 'null');
    switch (record.text()) {
      case 'forward':
        return out.forward(OUT);
      case 'echo': {
        if (settings.records > settings.limit) return;
        const value = `${settings.prefix}${record.partition}/${record.offset}@${record.timestamp ?? '-'}`;
        return out.send(OUT, record.key, value, [...record.headers, ['source', String(record.source)]]);
      }
      case 'tombstone':
        return out.send(OUT, record.key, null);
      case 'row':
        return out.row(ROWS, ROW);
      case 'nulls':
        return out.row(ROWS, NULLS);
      case 'statement':
        return out.row(NOTE, [record.offset, record.keyText()]);
      case 'many':
        return many(out);
      case 'reject':
        return reject('asked to');
      case 'log':
        for (const level of ['trace', 'debug', 'info', 'warn', 'error'] as const) {
          log[level](`${level === 'info' || level === 'error' ? 'an' : 'a'} ${level} line`);
        }
        return;
      case 'metrics':
        metrics.count('conformance_count', 2);
        return metrics.gauge('conformance_gauge', 0.5);
      case 'raise':
        throw new Error('raised on purpose');
    }
  },
});
