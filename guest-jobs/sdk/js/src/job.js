/** Checks at once, on definition, what would only be refused at submit. */

/** Returns the definition of a job as it stands, once it is sure to be one. */
export function defineJob(job) {
  for (const field of ['name', 'version', 'description']) {
    if (typeof job[field] !== 'string') throw new TypeError(`the job has no \`${field}\`: a string is due`);
  }
  if (!['string', 'undefined'].includes(typeof job.remembers)) {
    throw new TypeError('`remembers` says in words what the job holds in its fields: a string is due');
  }
  if (typeof job.process !== 'function') throw new TypeError('the job has no `process(record, out)`');
  if (!Array.isArray(job.sources) || job.sources.length === 0) throw new TypeError('the job has no `sources`');
  const names = new Set();
  for (const sink of job.sinks ?? []) {
    if (names.has(sink.name)) throw new TypeError(`two sinks are named \`${sink.name}\`; give one another \`name\``);
    names.add(sink.name);
  }
  return job;
}
