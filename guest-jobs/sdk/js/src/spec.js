/** How a job says what it reads, writes and takes, and how that crosses. */

const TYPES = new Set([
  'boolean', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'text', 'varchar', 'bytea', 'timestamptz',
  'timestamp', 'date', 'uuid', 'json', 'jsonb',
]);

function checkType(type, where) {
  if (!TYPES.has(type)) throw new TypeError(`${where}: there is no type \`${type}\``);
  return type;
}

/** A Kafka topic. */
export function topic(name, options = {}) {
  return Object.freeze({ name: options.name ?? name, target: { tag: 'topic', val: name }, columns: null });
}

/** A Postgres table, with the columns that the job fills. */
export function table(name, columns, options = {}) {
  const spec = columns.map(([column, type, nullable]) => ({
    name: column,
    type: checkType(type, `table \`${name}\`, column \`${column}\``),
    nullable: nullable === 'nullable',
  }));
  const val = { name, columns: spec, key: [...(options.key ?? [])], onConflict: options.onConflict ?? 'fail' };
  return Object.freeze({
    name: options.name ?? name,
    target: { tag: 'table', val },
    columns: spec.map((column) => ({ label: `column \`${column.name}\``, type: column.type })),
  });
}

/** One INSERT, UPDATE or DELETE with placeholders of these types. */
export function statement(name, sql, types) {
  return Object.freeze({
    name,
    target: { tag: 'statement', val: { sql, placeholders: [...types] } },
    columns: types.map((type, n) => ({
      label: `placeholder ${n + 1}`,
      type: checkType(type, `statement \`${name}\`, placeholder ${n + 1}`),
    })),
  });
}

/** The spec of a job as the contract has it. */
export function specOf(job) {
  return {
    name: job.name,
    version: job.version,
    description: job.description,
    sources: job.sources.map((source) =>
      typeof source === 'string'
        ? { topic: source, headers: false }
        : { topic: source.topic, headers: source.headers === true },
    ),
    sinks: (job.sinks ?? []).map(({ name, target }) => ({ name, target })),
    parameters: [...parametersOf(job), ...remembered(job)],
  };
}

/** The parameters that can be set. */
export function parametersOf(job) {
  return Object.entries(job.parameters ?? {}).map(([name, parameter]) => ({
    name,
    description: parameter.description,
    default: parameter.default,
  }));
}

/** What a job remembers is a parameter of a reserved name, which can't be set. */
function remembered({ remembers }) {
  return remembers === undefined ? [] : [{ name: 'pelton.remembers', description: remembers, default: 'true' }];
}
