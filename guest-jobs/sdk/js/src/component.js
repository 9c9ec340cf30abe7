/** What the engine takes of a job's script. It brings the records, the outputs and the host's interfaces itself: see
 * `engine`. Only the entry that `build.js` writes imports this. */

import { describe } from './describe.js';
import { Parameters } from './parameters.js';
import { specOf } from './spec.js';

export function component(job) {
  return {
    job,
    spec: JSON.stringify(specOf(job)),
    sinks: [...(job.sinks ?? [])],
    configure: (pairs) => job.configure?.(new Parameters(pairs)),
    describe,
  };
}
