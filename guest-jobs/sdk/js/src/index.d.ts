/** Text or bytes; null for none. */
export type Bytes = string | Uint8Array | null;

/** The types of Postgres that a column or placeholder may have. */
export type Type =
  | 'boolean' | 'int2' | 'int4' | 'int8' | 'float4' | 'float8' | 'numeric' | 'text' | 'varchar' | 'bytea'
  | 'timestamptz' | 'timestamp' | 'date' | 'uuid' | 'json' | 'jsonb';

interface Values {
  boolean: boolean;
  int2: number;
  int4: number;
  /** A number must be a safe integer. */
  int8: number | bigint;
  float4: number;
  float8: number;
  /** Decimal text: `-12.50`, `1e3`, `NaN`. */
  numeric: string;
  text: string;
  varchar: string;
  bytea: Uint8Array;
  /** Microseconds since 1970-01-01 00:00:00 UTC, or a Date. */
  timestamptz: number | bigint | Date;
  /** Microseconds since 1970-01-01 00:00:00, or a Date, of which the UTC time counts. */
  timestamp: number | bigint | Date;
  /** Days since 1970-01-01. */
  date: number;
  /** 16 bytes. */
  uuid: Uint8Array;
  json: string;
  jsonb: string;
}

/** A column that the job fills: name, type, and `'nullable'` where it takes nulls. */
export type Column = readonly [name: string, type: Type] | readonly [name: string, type: Type, nullable: 'nullable'];

type ColumnValue<C> = C extends readonly [string, infer T extends Type, 'nullable']
  ? Values[T] | null
  : C extends readonly [string, infer T extends Type] ? Values[T] : never;

declare const row: unique symbol;

/** A sink that takes messages. */
export interface Topic {
  readonly name: string;
  readonly [row]?: never;
}

/** A sink that takes rows of these values. */
export interface Rows<V extends readonly unknown[]> {
  readonly name: string;
  readonly [row]?: V;
}

export type Sink = Topic | Rows<any>;

/** A Kafka topic. `name` is the sink's where it is not the topic's. */
export function topic(topic: string, options?: { name?: string }): Topic;

/** A Postgres table, `table` or `schema.table`, with the columns that the job fills. */
export function table<const C extends readonly Column[]>(
  table: string,
  columns: C,
  options?: {
    /** The sink's name where it is not the table's. */
    name?: string;
    /** Whether a row whose key is there is refused (the default), left out, or written over the one there. */
    onConflict?: 'fail' | 'ignore' | 'update';
    /** The columns of the unique constraint that decides a conflict. */
    key?: readonly string[];
  },
): Rows<{ -readonly [I in keyof C]: ColumnValue<C[I]> }>;

/** One INSERT, UPDATE or DELETE, with placeholders `?` or `$1`, `$2`, … of these types. A table is faster. */
export function statement<const T extends readonly Type[]>(
  name: string,
  sql: string,
  types: T,
): Rows<{ -readonly [I in keyof T]: Values[T[I]] | null }>;

/** What a field of a record's JSON is read as:
 * - `text`: a string without what Postgres refuses in text, NUL and half of a surrogate pair;
 * - `int4`, `int8`: an integer in the range of INT or BIGINT, written without point or exponent; as a number where that is
 *   exact, else as a bigint;
 * - `float8`: a number that a double can hold;
 * - `boolean`;
 * - `timestamptz`: a string that is a time with an offset, in microseconds since 1970-01-01 00:00:00 UTC: see `microseconds`;
 * - `object`: the text of an object, its strings and numbers as they are written, spaced as Python's `json.dumps` spaces it; it
 *   holds no NUL, not even escaped, which Postgres refuses in JSON. */
interface Kinds {
  text: string;
  int4: number;
  int8: number | bigint;
  float8: number;
  boolean: boolean;
  timestamptz: number | bigint;
  object: string;
}

/** A path, what the field is read as, and `'nullable'` where it may be missing or null. A path is a name, or several joined by
 * dots that lead into objects; a name with a dot in it can't be reached. */
export type Field =
  | readonly [path: string, kind: keyof Kinds]
  | readonly [path: string, kind: keyof Kinds, nullable: 'nullable'];

type FieldValue<F> = F extends readonly [string, infer K extends keyof Kinds, 'nullable']
  ? Kinds[K] | null
  : F extends readonly [string, infer K extends keyof Kinds] ? Kinds[K] : never;

declare const found: unique symbol;

/** Fields that a job reads of each record. */
export interface Fields<V> {
  readonly [found]?: V;
}

/** Fields that a job reads of each record, by the names that it gives them. At most 64. Made once, at the top level:
 * `const READING = fields({ id: ['message_id', 'text'], celsius: ['message.temperature', 'float8'] })`. */
export function fields<const F extends { readonly [name: string]: Field }>(
  description: F,
): Fields<{ -readonly [N in keyof F]: FieldValue<F[N]> }>;

/** A record of a source. */
export interface Record {
  /** A copy of the bytes. */
  readonly key: Uint8Array | null;
  /** A copy of the bytes; null for a tombstone. */
  readonly value: Uint8Array | null;
  /** The value as text. Rejects the record where it is null, empty or not UTF-8. */
  text(): string;
  /** The value read as JSON. Rejects the record as `text` does, and where it is not JSON. */
  json(): any;
  /** Fields of the value, read in one pass; several times faster than `json`. Rejects the record as `json` does, where it is no
   * object, or where a field is missing or of another kind, with the beginning of what is there. Of a name that comes twice the
   * last one counts. */
  fields<V>(fields: Fields<V>): V;
  /** The text of a member of the value, as it is written: for numbers that a double would change. Undefined where the value is
   * no object or has none of the name. Rejects the record as `json` does. */
  raw(name: string): string | undefined;
  /** The key as text. Rejects the record where it is not UTF-8. */
  keyText(): string | null;
  /** In order; a name may repeat. None where the source was declared without headers. */
  readonly headers: [name: string, value: Uint8Array | null][];
  /** Milliseconds since the Unix epoch; null where there is none. A bigint beyond 2^53, where a number would be rounded. */
  readonly timestamp: number | bigint | null;
  readonly partition: number;
  /** A bigint beyond 2^53, where a number would be rounded. */
  readonly offset: number | bigint;
  /** Which of the job's sources: 0 for the first. */
  readonly source: number;
}

/** Takes what a job emits; each output is tied to the record at hand. A sink that the job does not list, or a value that its
 * column does not take, fails the batch with a text that says which. */
export interface Outputs {
  /** Passes the record on unchanged: key, value and headers, without a copy. */
  forward(sink: Topic): void;
  /** Sends a message. */
  send(sink: Topic, key: Bytes, value: Bytes, headers?: readonly (readonly [name: string, value: Bytes])[]): void;
  /** Writes a row, or runs a statement: one value for each declared column or placeholder, in their order. */
  row<V extends readonly unknown[]>(sink: Rows<V>, values: V): void;
}

/** Every declared parameter with its value. Each read throws where the value does not serve, and refuses the submit. */
export interface Parameters {
  text(name: string): string;
  /** A finite decimal number. */
  number(name: string): number;
  /** A safe integer. */
  integer(name: string): number;
  /** `true` or `false`. */
  boolean(name: string): boolean;
}

/** What a job is. */
export interface Job<S> {
  /** Lower-case letters, digits, `_` and `-`. */
  name: string;
  version: string;
  description: string;
  /** Topics; with `headers` where the job reads the headers of their records. */
  sources: readonly (string | { topic: string; headers?: boolean })[];
  sinks?: readonly Sink[];
  /** A parameter without a default must be set at submit. */
  parameters?: { readonly [name: string]: { description: string; default?: string } };
  /** What the job holds from one record to the next, in words: `the last reading of each sensor`. It ends with the instance, so the
   * host warns and asks before it ends one. */
  remembers?: string;
  /** Called once on each fresh instance. What it returns is handed to `process`; what it throws refuses the submit. */
  configure?(parameters: Parameters): S;
  /** Handles one record, in the order of its partition. What was emitted before a reject stands: check first, emit after.
   * Anything else thrown fails the batch; the host finds the record and keeps the error and its stack with it. */
  process(record: Record, out: Outputs, settings: S): void;
}

/** Checks a job's definition and returns it. A job's main module exports it as default. */
export function defineJob<S = undefined>(job: Job<S>): Job<S>;

/** Whether a value is a string that a column of text takes: Postgres refuses the character NUL, and half of a surrogate pair is no
 * character (it would be written as U+FFFD). */
export function isText(value: unknown): value is string;

/** Microseconds since 1970-01-01 00:00:00 UTC of a time as RFC 3339 writes it, such as `2024-05-02T10:11:12.123456+00:00`; null
 * where the text is none. Digits beyond the microsecond are cut off; second 60 is the first of the next minute. It is a number
 * where that is exact, and a bigint before 1684-07-28 and after 2255-06-05; a column takes both. */
export function microseconds(text: string): number | bigint | null;

/** Gives up on the record at hand: it goes to the dead-letter topic with this reason. Call it outside of `try`. */
export function reject(reason: unknown): never;

/** Lines for the job's log. The host cuts lines over 4 KiB and drops what goes beyond 100 a second. */
export const log: { [level in 'trace' | 'debug' | 'info' | 'warn' | 'error']: (message: string) => void };

/** A job's own metrics, shown on the host's `/metrics`. Each call crosses into the host. */
export const metrics: {
  /** Adds to a counter. Names match `[a-zA-Z_][a-zA-Z0-9_]*`. */
  count(name: string, increment?: number | bigint): void;
  /** Sets a gauge. */
  gauge(name: string, value: number): void;
};
