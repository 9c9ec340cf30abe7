/** Alerts on readings above a temperature: the filter of the article's job. It rejects what sensor_pipeline does. */

import { defineJob, fields, topic } from 'pelton-job';
import * as python from 'pelton-job/python';

export const ALERTS = topic('alerts');
const READING = fields({
  id: ['message_id', 'text'], sensor: ['sensor_id', 'int4'], message: ['message', 'object'],
  temperature: ['message.temperature', 'float8'],
  timestamp: ['timestamp', 'text'], micros: ['timestamp', 'timestamptz'],
});

export default defineJob({
  name: 'sensor_alerts',
  version: '0.1.0',
  description: 'alerts on readings above a temperature',
  sources: ['sensors'],
  sinks: [ALERTS],
  parameters: { threshold: { description: 'degrees Celsius above which a reading is an alert', default: '30' } },
  configure: (parameters) => parameters.number('threshold'),
  process(record, out, threshold) {
    const { id, sensor, temperature, timestamp } = record.fields(READING);
    if (temperature <= threshold) return;
    const alert =
      `{"message_id": ${python.string(id)}, "sensor_id": ${sensor}, "temperature": ${python.float(temperature)}, ` +
      `"alert": "High temperature detected", "timestamp": ${python.string(timestamp)}}`;
    out.send(ALERTS, record.key, alert);
  },
});
