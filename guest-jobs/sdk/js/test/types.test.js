/** The types hold what the page promises, and the page's job is a job. Needs TypeScript beside the jobs (`npm install` there). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import test from 'node:test';

const jobs = new URL('../../../js/', import.meta.url);
// Below the jobs, so that `pelton-job` is found from there.
const folder = await mkdtemp(fileURLToPath(new URL('.types-', jobs)));
test.after(() => rm(folder, { recursive: true }));

function tsc(file) {
  const compiler = createRequire(jobs).resolve('typescript/bin/tsc');
  const flags = '--noEmit --strict --target es2022 --module nodenext --types --allowJs --checkJs'.split(' ');
  const at = flags.indexOf('--types');
  flags.splice(at, 1);
  try {
    return execFileSync(process.execPath, [compiler, ...flags, file], { encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    return error.stdout;
  }
}

async function check(name, source) {
  await writeFile(`${folder}/${name}`, source);
  return tsc(`${folder}/${name}`);
}

const page = await readFile(new URL('../../../../docs/sdk/js.md', import.meta.url), 'utf8');
const example = /```js\n(import [^]*?)```/.exec(page)[1];

test('the job of the page is under 40 lines, fits the types and does what the page says', async () => {
  assert.ok(example.split('\n').length < 40);
  assert.equal(await check('page.js', example), '');
  const { run } = await import('../src/testing.js');
  const { default: job, HOT, READINGS } = await import(`${folder}/page.js`);
  const result = run(job, ['{"id": "a", "celsius": 31}', '{}'], { threshold: 30 });
  assert.deepEqual(result.messages(HOT), [{ record: 0, key: null, value: '{"id":"a","celsius":31}', headers: [] }]);
  assert.deepEqual(result.rows(READINGS), [{ record: 0, values: ['a', 31, null] }]);
  assert.deepEqual(result.rejects, [[1, 'no id or no celsius']]);
});

test('the conformance job fits the types', () => {
  assert.equal(tsc(fileURLToPath(new URL('conformance/job.ts', jobs))), '');
});

test('a row of the wrong shape does not compile', async () => {
  const wrong = ["['a', 1]", "['a', '1', null]", "['a', 1, null, 1]", '[null, 1, null]', "['a', null, null]"];
  const rows = [...wrong, "['a', 1, null]", "['a', 1, new Date()]"].map((row) => `out.row(T, ${row});`);
  const errors = await check(
    'rows.ts',
    `import { table, topic, type Outputs } from 'pelton-job';
const T = table('t', [['a', 'text'], ['b', 'int4'], ['c', 'timestamptz', 'nullable']]);
declare const out: Outputs;
${rows.join('\n')}
out.row(topic('x'), []);
out.forward(T);`,
  );
  const lines = [...errors.matchAll(/rows\.ts\((\d+),/g)].map(([, line]) => Number(line));
  assert.deepEqual([...new Set(lines)], [4, 5, 6, 7, 8, 12], errors);
});
