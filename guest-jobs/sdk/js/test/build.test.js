/** What `build.js` makes of a job in TypeScript: a script, and where its lines came from. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { inFiles } from '../src/describe.js';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const linesOf = (text) => text.split('\n');

test("a stack's lines are the author's", () => {
  const folder = mkdtempSync(join(tmpdir(), 'pelton-'));
  try {
    const out = join(folder, 'job.js');
    execFileSync('node', [at('../build.js'), at('../../../js/conformance'), '--out', out]);
    const script = linesOf(readFileSync(out, 'utf8'));
    const source = linesOf(readFileSync(at('../../../js/conformance/job.ts'), 'utf8'));
    const lines = JSON.parse(/^globalThis\.peltonLines = (.*);$/.exec(script.at(-2))[1]);
    assert.ok(lines.files.includes('job.ts'), lines.files.join());
    let found = 0;
    for (const [line, text] of source.entries()) {
      // What is there once in both, as it was written.
      const where = script.findIndex((other) => other.trim() === text.trim());
      if (text.trim().length < 12 || script.filter((other) => other.trim() === text.trim()).length !== 1) continue;
      assert.equal(inFiles(`    at process (job.js:${where + 1}:9)`, lines), `    at process (job.ts:${line + 1})`);
      found += 1;
    }
    assert.ok(found > 10, String(found));
    const thrown = (lines, text) => lines.findIndex((line) => line.includes(text)) + 1;
    const frame = inFiles(`job.js:${thrown(script, 'raised on purpose')}`, lines);
    assert.equal(frame, `job.ts:${thrown(source, 'raised on purpose')}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('what has no line of a file stays as it is', () => {
  const lines = { files: ['a.ts'], runs: [3, 0, 7] };
  const stack = '    at <anonymous> (native)\n    at f (job.js:2:1)\n    at g (myjob.js:4:1)\n    at job.js:5:1';
  assert.equal(inFiles(stack, lines), stack.replace('job.js:5:1', 'a.ts:9'));
  assert.equal(inFiles(stack, undefined), stack);
});
