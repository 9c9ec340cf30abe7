#!/usr/bin/env node
/**
 * Makes one script of a job: `node build.js [FOLDER] [--out FILE]`. `pelton build` calls it, and makes a component of the script.
 *
 * Bundles the module that package.json names as `main` and all that it imports, with esbuild from the job's own node_modules,
 * and adds where its lines came from: the stacks of errors name the files that the author has.
 */

import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';

/** The version that the SDK was tested with. */
const ESBUILD = '0.28.2';

async function build(folder, outfile) {
  const manifest = await manifestOf(folder);
  const esbuild = await bundler(folder);
  const { outputFiles } = await esbuild.build({
    stdin: {
      contents: `import job from ${JSON.stringify(`./${manifest.main}`)};
        import { component } from 'pelton-job/component';
        export const task = component(job);`,
      resolveDir: folder,
      sourcefile: 'start.js',
    },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    outfile,
    write: false,
    sourcemap: 'external',
    sourcesContent: false,
    logLevel: 'warning',
  });
  const [map, script] = ['.map', ''].map((end) => outputFiles.find(({ path }) => path === outfile + end));
  const { sources, mappings } = JSON.parse(map.text);
  // Behind all else, so that no line of the script is another one by it.
  const files = sources.map((source) => relative(folder, resolve(dirname(outfile), source)));
  const lines = { files, runs: runsOf(mappings, script.text) };
  await writeFile(outfile, `${script.text}globalThis.peltonLines = ${JSON.stringify(lines)};\n`);
}

/**
 * Which line of which file each line of the script came from: the line of the script, the file and its line for the first of
 * each run of lines that follow each other in both; all in one list, counted from 1, files from 0.
 */
function runsOf(mappings, script) {
  const texts = script.split('\n');
  const runs = [];
  let [file, line] = [0, 0];
  let expected = null;
  for (const [at, segments] of mappings.split(';').entries()) {
    // Of the first character that is no blank: those before it belong to the line above.
    const indent = texts[at].search(/\S/);
    let first = null;
    let column = 0;
    for (const segment of segments === '' ? [] : segments.split(',')) {
      const [columns, files = 0, lines = 0] = numbersOf(segment);
      [column, file, line] = [column + columns, file + files, line + lines];
      if (first === null || column <= indent) first = [file, line];
    }
    if (first === null) continue;
    const follows = expected !== null && expected[0] === at && expected[1] === first[0] && expected[2] === first[1];
    if (!follows) runs.push(at + 1, first[0], first[1] + 1);
    expected = [at + 1, first[0], first[1] + 1];
  }
  return runs;
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The numbers of a source map's segment: in base64, five bits a digit, the lowest first, the sign in the lowest of all. */
function numbersOf(segment) {
  const numbers = [];
  let [number, shift] = [0, 0];
  for (const character of segment) {
    const digit = DIGITS.indexOf(character);
    number += (digit & 31) * 2 ** shift;
    shift += 5;
    if (digit & 32) continue;
    numbers.push(number % 2 === 1 ? -(number - 1) / 2 : number / 2);
    [number, shift] = [0, 0];
  }
  return numbers;
}

async function manifestOf(folder) {
  const path = join(folder, 'package.json');
  if (!existsSync(path)) throw new Error(`there is no package.json in ${folder}`);
  const manifest = JSON.parse(await readFile(path, 'utf8'));
  if (typeof manifest.main !== 'string') throw new Error(`${path} has no "main": name the job's module, such as "job.js"`);
  if (!existsSync(join(folder, manifest.main))) throw new Error(`${path} names "${manifest.main}", which does not exist`);
  return manifest;
}

// Found from the job's folder: the SDK may lie elsewhere.
async function bundler(folder) {
  const require = createRequire(join(folder, 'package.json'));
  const root = (require.resolve.paths('x') ?? []).find((modules) => existsSync(join(modules, 'esbuild', 'package.json')));
  if (root === undefined) throw new Error(`esbuild is not installed; run \`npm install\` in ${folder}`);
  const { version } = JSON.parse(await readFile(join(root, 'esbuild', 'package.json'), 'utf8'));
  if (version !== ESBUILD) {
    throw new Error(`esbuild is ${version}, and ${ESBUILD} is needed; run \`npm install --save-dev esbuild@${ESBUILD}\``);
  }
  return require('esbuild');
}

try {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { out: { type: 'string' } } });
  const folder = resolve(positionals[0] ?? '.');
  await build(folder, resolve(values.out ?? join(folder, 'job.bundle.js')));
} catch (error) {
  // esbuild has shown its errors already.
  if (!error.errors) console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
