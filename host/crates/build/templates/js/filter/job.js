// @ts-check
/** Passes on the readings above a temperature. */

import { defineJob, fields, topic } from 'pelton-job';

export const HOT = topic('hot');

const READING = fields({ celsius: ['message.temperature', 'float8'] });

export default defineJob({
  name: '{{name}}',
  version: '0.1.0',
  description: '{{description}}',
  sources: ['sensors'],
  sinks: [HOT],
  parameters: { above: { description: 'degrees Celsius', default: '30' } },
  configure: (parameters) => parameters.number('above'),
  process(record, out, above) {
    const { celsius } = record.fields(READING);
    if (celsius > above) out.forward(HOT);
  },
});
