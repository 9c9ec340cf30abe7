/** Alerts on readings above a temperature: the filter of the article's job. */

import { defineJob, topic } from 'pelton-job';
import { alert, parse } from '../sensors/reading.js';

export const ALERTS = topic('alerts');

export default defineJob({
  name: 'sensor_alerts',
  version: '0.1.0',
  description: 'alerts on readings above a temperature',
  sources: ['sensors'],
  sinks: [ALERTS],
  parameters: { threshold: { description: 'degrees Celsius above which a reading is an alert', default: '30' } },
  configure: (parameters) => parameters.number('threshold'),
  process(record, out, threshold) {
    const reading = parse(record);
    if (reading.temperature > threshold) out.send(ALERTS, record.key, alert(reading));
  },
});
