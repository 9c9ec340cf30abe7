/** The article's `postgres_sink.py`: every reading becomes a row of `raw_sensors_data`, readings above a temperature become
 * alerts too. */

import { defineJob, table, topic } from 'pelton-job';
import { alert, parse } from '../sensors/reading.js';

export const ALERTS = topic('alerts');
export const READINGS = table(
  'raw_sensors_data',
  [['message_id', 'varchar'], ['sensor_id', 'int4'], ['message', 'text'], ['timestamp', 'timestamptz']],
  { onConflict: 'ignore', key: ['message_id'] },
);

export default defineJob({
  name: 'sensor_pipeline',
  version: '0.1.0',
  description: 'every reading to raw_sensors_data, alerts on readings above a temperature',
  sources: ['sensors'],
  sinks: [READINGS, ALERTS],
  parameters: { threshold: { description: 'degrees Celsius above which a reading is an alert', default: '30' } },
  configure: (parameters) => parameters.number('threshold'),
  process(record, out, threshold) {
    const reading = parse(record);
    out.row(READINGS, [reading.id, reading.sensor, reading.message, reading.micros]);
    if (reading.temperature > threshold) out.send(ALERTS, record.key, alert(reading));
  },
});
