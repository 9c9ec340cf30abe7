/**
 * Write a Pelton job in JavaScript or TypeScript. `index.d.ts` documents every item.
 *
 * Three ways for things to go wrong, each with an end of its own:
 * - a record that the job can't use: `reject(reason)`; it goes to the dead-letter topic, the rest goes on;
 * - a mistake of the job in its own outputs: the batch fails with a text that says sink, column and record;
 * - anything thrown: the batch fails with the record's offset, the error and its stack, and the host finds the record.
 */
export { fields } from './fields.js';
export { defineJob } from './job.js';
export { log, metrics } from './host.js';
export { reject } from './reject.js';
export { statement, table, topic } from './spec.js';
export { isText } from './text.js';
export { microseconds } from './timestamp.js';
