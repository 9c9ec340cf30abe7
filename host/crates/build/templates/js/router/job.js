// @ts-check
/** Passes each reading on to the topic that its temperature says. */

import { defineJob, fields, topic } from 'pelton-job';

export const HOT = topic('hot');
export const MILD = topic('mild');
export const COLD = topic('cold');

const READING = fields({ celsius: ['message.temperature', 'float8'] });

export default defineJob({
  name: '{{name}}',
  version: '0.1.0',
  description: '{{description}}',
  sources: ['sensors'],
  sinks: [HOT, MILD, COLD],
  parameters: {
    hot: { description: 'degrees Celsius above which a reading is hot', default: '30' },
    cold: { description: 'degrees Celsius below which it is cold', default: '10' },
  },
  configure(parameters) {
    const [hot, cold] = [parameters.number('hot'), parameters.number('cold')];
    if (cold > hot) throw new Error('`cold` is above `hot`');
    return { hot, cold };
  },
  process(record, out, { hot, cold }) {
    const { celsius } = record.fields(READING);
    if (celsius > hot) out.forward(HOT);
    else if (celsius < cold) out.forward(COLD);
    else out.forward(MILD);
  },
});
