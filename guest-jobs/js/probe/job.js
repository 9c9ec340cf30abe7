/** Runs the JavaScript that is a record's key, with the record at hand, and sends what it returns. The engine is held to `shared`
 * and to `engine`, the fake host to `shared`: see `*.golden.jsonl`. */

import * as sdk from 'pelton-job';
import * as python from 'pelton-job/python';

const TYPES = [
  'boolean', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'text', 'varchar', 'bytea', 'timestamptz', 'timestamp',
  'date', 'uuid', 'json', 'jsonb',
];

export const OUT = sdk.topic('out');
export const ROWS = Object.fromEntries(TYPES.map((type) => [type, sdk.table(type, [['c', type, 'nullable']])]));
export const NOTE = sdk.statement('note', 'INSERT INTO notes VALUES (?)', ['int4']);

export default sdk.defineJob({
  name: 'probe',
  version: '0.1.0',
  description: 'runs the JavaScript of its records',
  sources: ['probe'],
  sinks: [OUT, NOTE, ...Object.values(ROWS)],
  process(record, out) {
    const tools = { ...sdk, ...ROWS, python, record, out, OUT, NOTE };
    const result = new Function(...Object.keys(tools), record.keyText())(...Object.values(tools));
    if (result instanceof Promise) return result;
    if (result !== undefined) out.send(OUT, null, JSON.stringify(result));
  },
});
