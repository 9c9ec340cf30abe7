/** The article's `postgres_sink.py`: every reading becomes a row of `raw_sensors_data`, readings above a temperature
 * become alerts too. */

import { defineJob, fields, table, topic } from 'pelton-job';
import * as python from 'pelton-job/python';

export const ALERTS = topic('alerts');
export const READINGS = table(
  'raw_sensors_data',
  [['message_id', 'varchar'], ['sensor_id', 'int4'], ['message', 'text'], ['timestamp', 'timestamptz']],
  { onConflict: 'ignore', key: ['message_id'] },
);
const READING = fields({
  id: ['message_id', 'text'], sensor: ['sensor_id', 'int4'], message: ['message', 'object'],
  temperature: ['message.temperature', 'float8'],
  timestamp: ['timestamp', 'text'], micros: ['timestamp', 'timestamptz'],
});

export default defineJob({
  name: 'sensor_pipeline',
  version: '0.1.0',
  description: 'every reading to raw_sensors_data, alerts on readings above a temperature',
  sources: ['sensors'],
  sinks: [READINGS, ALERTS],
  parameters: { threshold: { description: 'degrees Celsius above which a reading is an alert', default: '30' } },
  configure: (parameters) => parameters.number('threshold'),
  process(record, out, threshold) {
    const { id, sensor, message, temperature, timestamp, micros } = record.fields(READING);
    out.row(READINGS, [id, sensor, message, micros]);
    if (temperature <= threshold) return;
    const alert =
      `{"message_id": ${python.string(id)}, "sensor_id": ${sensor}, "temperature": ${python.float(temperature)}, ` +
      `"alert": "High temperature detected", "timestamp": ${python.string(timestamp)}}`;
    out.send(ALERTS, record.key, alert);
  },
});
