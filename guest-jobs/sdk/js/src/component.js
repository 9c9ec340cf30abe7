/** Makes the exports of a component out of a job. Only the entry that `build.js` writes imports this: the host's interfaces
 * don't exist under node. */

import { log } from 'pelton:job/log@0.1.0';
import { count, gauge } from 'pelton:job/metrics@0.1.0';
import { connect } from './host.js';
import { Runner } from './runner.js';

// The bindings live in a realm of their own, whose Uint8Array is not the job's: `instanceof` would deny it.
function ours(batch) {
  adopt(batch.keys.items);
  adopt(batch.values.items);
  if (batch.headers) {
    adopt(batch.headers.names);
    adopt(batch.headers.values.items);
  }
  return batch;
}

function adopt(packed) {
  const { buffer, byteOffset, length } = packed.bytes;
  packed.bytes = new Uint8Array(buffer, byteOffset, length);
}

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
        return runner.process(ours(batch));
      } catch (error) {
        throw error.message;
      }
    },
  };
}
