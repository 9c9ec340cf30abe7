#!/usr/bin/env node
/**
 * Makes a component of a job: `node build.js [FOLDER] [--out FILE] [--wit FOLDER]`.
 *
 * Bundles the module that package.json names as `main` with esbuild, then puts it into StarlingMonkey with the parts of
 * componentize-js. Both come from the job's own node_modules. The component imports nothing but the contract: no WASI. The module's top
 * level runs here, at build time, and its state is part of the component.
 */

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { componentize } from './engine.js';

/** The versions that the SDK was tested with. */
const TOOLS = { esbuild: '0.28.2', '@bytecodealliance/componentize-js': '0.23.0' };

const here = dirname(fileURLToPath(import.meta.url));

async function build(folder, out, wit) {
  const manifest = await manifestOf(folder);
  const { esbuild, modules } = await tools(folder);
  const work = await mkdtemp(join(folder, '.pelton-build-'));
  try {
    const bundle = join(work, `${basename(folder)}.js`);
    await esbuild.build({
      stdin: {
        contents: `import job from ${JSON.stringify(`./${manifest.main}`)};
          import { component } from 'pelton-job/component';
          export const task = component(job);`,
        resolveDir: folder,
      },
      bundle: true,
      format: 'esm',
      target: 'es2022',
      external: ['pelton:*'],
      outfile: bundle,
      logLevel: 'warning',
    });
    const component = await componentize(modules, wit, bundle);
    await mkdir(dirname(out), { recursive: true });
    await writeFile(out, component);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
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
async function tools(folder) {
  const require = createRequire(join(folder, 'package.json'));
  const roots = require.resolve.paths('x') ?? [];
  for (const [name, version] of Object.entries(TOOLS)) {
    const root = roots.find((candidate) => existsSync(join(candidate, name, 'package.json')));
    if (root === undefined) throw new Error(`${name} is not installed; run \`npm install\` in ${folder}`);
    const found = JSON.parse(await readFile(join(root, name, 'package.json'), 'utf8')).version;
    if (found !== version) {
      throw new Error(`${name} is ${found}, and ${version} is needed; run \`npm install --save-dev ${name}@${version}\``);
    }
  }
  const modules = roots.find((candidate) => existsSync(join(candidate, '@bytecodealliance/componentize-js')));
  return { esbuild: require('esbuild'), modules };
}

// A copy in a project has the contract beside it; in the repository it lies at the root.
function contract() {
  const found = [join(here, 'wit'), join(here, '../../../wit')].find((folder) => existsSync(join(folder, 'job.wit')));
  if (found === undefined) throw new Error('the contract is not there: pass its folder as --wit');
  return found;
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { out: { type: 'string' }, wit: { type: 'string' } },
  });
  const folder = resolve(positionals[0] ?? '.');
  await build(folder, resolve(values.out ?? join(folder, `${basename(folder)}.wasm`)), values.wit ?? contract());
} catch (error) {
  // esbuild has shown its errors already.
  if (!error.errors) console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
