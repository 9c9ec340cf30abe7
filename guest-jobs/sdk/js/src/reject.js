/** The verdict that a job can't use a record. Not an Error: it needs no stack, and making one is dear. */
export const Reject = globalThis.pelton?.Reject ?? class Reject {
  constructor(reason) {
    this.reason = reason;
  }
};

/** Gives up on the record at hand. Does not return. */
export function reject(reason) {
  throw new Reject(String(reason instanceof Error ? reason.message : reason));
}
