/** Makes the exports of a component out of a job. Only the entry that `build.js` writes imports this: the host's interfaces
 * don't exist under node. */

import { log } from 'pelton:job/log@0.1.0';
import { count, gauge } from 'pelton:job/metrics@0.1.0';
import { connect } from './host.js';
import { Runner } from './runner.js';

/** The interface `pelton:job/task`. The bindings make `err(text)` of a thrown string. */
export function component(job) {
  connect({ log, count, gauge });
  const runner = new Runner(job);
  return {
    describe: () => runner.spec,
    configure(pairs) {
      try {
        runner.configure(pairs);
      } catch (error) {
        throw error instanceof Error ? error.message : String(error);
      }
    },
    process(batch) {
      try {
        return runner.process(batch);
      } catch (error) {
        throw error.message;
      }
    },
  };
}
