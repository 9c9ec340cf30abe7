/** One instance of a job in the fake host: takes batches as the contract hands them over, and answers in kind. */

import { describe } from './describe.js';
import { Mistake, Outputs } from './outputs.js';
import { Parameters } from './parameters.js';
import { Record, View } from './record.js';
import { Reject } from './reject.js';
import { specOf } from './spec.js';

/** How much of an error's text and stack reaches the host, in characters. */
const SHOWN = 4096;

export class Runner {
  constructor(job) {
    this.job = job;
    this.spec = specOf(job);
    this.out = null;
  }

  /** `task.configure`. Throws what the job throws. */
  configure(pairs) {
    this.out = new Outputs(this.job.sinks ?? []);
    this.settings = this.job.configure?.(new Parameters(pairs));
  }

  /** `task.process`. Throws an Error whose message is the reason why the whole batch failed; its outputs are dropped. */
  process(batch) {
    const { job, out, settings } = this;
    if (out === null) throw new Error('process was called before configure succeeded');
    const view = new View(batch);
    const rejects = [];
    const records = view.values.items.ends.length;
    let index = 0;
    try {
      for (; index < records; index++) {
        out._at = index;
        try {
          job.process(new Record(view, index), out, settings);
        } catch (error) {
          if (!(error instanceof Reject)) throw error;
          rejects.push({ index, reason: error.reason });
        }
      }
      return { outputs: out.finish(), rejects };
    } catch (error) {
      out.clear();
      if (error instanceof Mistake) {
        throw new Error(`${error.reason} (at offset ${new Record(view, error.record).offset})`);
      }
      const record = new Record(view, index);
      throw new Error(`record at partition ${record.partition} offset ${record.offset}: ${describe(error)}`.slice(0, SHOWN));
    }
  }
}
