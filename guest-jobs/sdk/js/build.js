#!/usr/bin/env node
/**
 * Makes one script of a job: `node build.js [FOLDER] [--out FILE]`. `pelton build` calls it, and makes a component of the script.
 *
 * Bundles the module that package.json names as `main` and all that it imports, with esbuild from the job's own node_modules.
 */

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

/** The version that the SDK was tested with. */
const ESBUILD = '0.28.2';

async function build(folder, outfile) {
  const manifest = await manifestOf(folder);
  const esbuild = await bundler(folder);
  await esbuild.build({
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
    logLevel: 'warning',
  });
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
