import type { Bytes, Job, Rows, Topic } from './index.js';

/** A record for a test: its value, or all of it. */
export type Input =
  | Bytes
  | {
    key?: Bytes;
    value?: Bytes;
    headers?: readonly (readonly [string, Bytes])[];
    timestamp?: number | bigint | null;
    offset?: number | bigint;
  };

/** Text where it is UTF-8, else bytes. */
export interface Message {
  record: number;
  key: Bytes;
  value: Bytes;
  headers: [string, Bytes][];
}

/** What a job made of the records; `record` is the index of the one that an output was made from. */
export interface Run {
  forwards(sink: Topic): number[];
  messages(sink: Topic): Message[];
  /** 64-bit integers and times as bigint. */
  rows(sink: Rows<any>): { record: number; values: unknown[] }[];
  readonly rejects: [record: number, reason: string][];
  readonly logs: [level: string, message: string][];
  readonly metrics: [name: string, value: number][];
}

/**
 * Configures a job and hands it one batch: partition 0, offsets from 0 where records have none. Parameters that aren't given have their defaults.
 * Throws what `configure` throws, and an Error with the reason where the job fails on the batch.
 */
export function run(job: Job<any>, records: Iterable<Input>, parameters?: { [name: string]: string | number }): Run;
