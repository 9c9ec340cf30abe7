// @ts-check
/** Writes each reading to a table of Postgres. */

import { defineJob, fields, table } from 'pelton-job';

export const READINGS = table(
  'readings',
  [
    ['message_id', 'text'],
    ['sensor_id', 'int4'],
    ['temperature', 'float8'],
    ['message', 'jsonb'],
    ['timestamp', 'timestamptz'],
  ],
  { key: ['message_id'], onConflict: 'ignore' },
);

const READING = fields({
  id: ['message_id', 'text'],
  sensor: ['sensor_id', 'int4'],
  celsius: ['message.temperature', 'float8'],
  message: ['message', 'object'],
  time: ['timestamp', 'timestamptz'],
});

export default defineJob({
  name: '{{name}}',
  version: '0.1.0',
  description: '{{description}}',
  sources: ['sensors'],
  sinks: [READINGS],
  process(record, out) {
    const { id, sensor, celsius, message, time } = record.fields(READING);
    out.row(READINGS, [id, sensor, celsius, message, time]);
  },
});
