// @ts-check
/** Passes on the long ones of the words that it reads. */

import { defineJob, reject, topic } from 'pelton-job';

export const LONG_WORDS = topic('long_words');

export default defineJob({
  name: '{{name}}',
  version: '0.1.0',
  description: '{{description}}',
  sources: ['words'],
  sinks: [LONG_WORDS],
  parameters: { letters: { description: 'words up to this long are dropped', default: '4' } },
  configure: (parameters) => parameters.integer('letters'),
  process(record, out, letters) {
    const word = record.text();
    if (word.includes(' ')) reject('more than one word');
    if (word.length > letters) out.forward(LONG_WORDS);
  },
});
