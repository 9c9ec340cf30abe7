/**
 * Puts a bundle into StarlingMonkey: runs the module's top level in it and keeps the memory that this leaves.
 *
 * Of a component, only that memory is a job's own. All else takes componentize-js ten seconds and is the same for each job,
 * so it is made once and kept in `node_modules/.cache/pelton-job`, where it may be deleted at any time: the engine with the
 * contract's bindings, and a whole component whose memory the next job's takes the place of.
 */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { restOf, withMemory } from './sections.js';

const COMPONENTIZE = '@bytecodealliance/componentize-js';

/** What is kept: the engine with its bindings, and a whole component. */
const COMPONENT = 'component.wasm';
const FILES = ['engine.wasm', 'bindings.js', COMPONENT];

/**
 * Makes a component of a bundle.
 *
 * @param {string} modules the `node_modules` that componentize-js and what it needs are found in
 * @param {string} wit the folder of the contract
 * @param {string} bundle the module, in a folder for nothing but this build
 * @returns {Promise<Uint8Array>} the component
 */
export async function componentize(modules, wit, bundle) {
  const contract = await Promise.all((await readdir(wit)).sort().map((file) => readFile(join(wit, file))));
  const cache = join(modules, '.cache/pelton-job');
  const kept = join(cache, digest([await readFile(join(modules, COMPONENTIZE, 'package.json')), ...contract]).slice(0, 16));
  const engine = (await keptEngine(kept)) ?? { folder: dirname(bundle), ...(await makeEngine(modules, wit, dirname(bundle))) };
  const module = await preinitialise(modules, engine, bundle);
  if (engine.rest === digest(restOf(module))) return withMemory(engine.component, module);
  // The first one, or one in which initialising left more than memory.
  const component = await finish(modules, wit, module);
  if (engine.rest === undefined && withMemory(component, module).equals(component)) {
    const { folder, ...made } = engine;
    await keep(cache, kept, folder, { ...made, rest: digest(restOf(module)) }, component);
  }
  return component;
}

/** The engine as it is kept, if it is there and whole. */
async function keptEngine(folder) {
  try {
    const { files, ...engine } = JSON.parse(await readFile(join(folder, 'engine.json'), 'utf8'));
    const found = await Promise.all(FILES.map((file) => readFile(join(folder, file))));
    if (!FILES.every((file, i) => digest([found[i]]) === files[file])) return undefined;
    return { ...engine, folder, component: found[FILES.indexOf(COMPONENT)] };
  } catch {
    return undefined;
  }
}

/** Writes the engine into a folder, with the contract's bindings: `engine.wasm` and `bindings.js`. */
async function makeEngine(modules, wit, folder) {
  const { splicer } = await load(modules, `${COMPONENTIZE}/lib/spidermonkey-embedding-splicer.js`);
  const plain = await readFile(join(modules, COMPONENTIZE, 'lib/starlingmonkey_embedding.wasm'));
  const { wasm, jsBindings, exports, imports } = splicer.spliceBindings(plain, [], undefined, wit, 'job', false);
  await writeFile(join(folder, 'engine.wasm'), wasm);
  await writeFile(join(folder, 'bindings.js'), jsBindings);
  // What the engine's initialiser reads of the types that cross.
  const environment = { DEBUG: '', SOURCE_NAME: 'job.js', FEATURE_CLOCKS: '', EXPORT_CNT: exports.length, IMPORT_CNT: imports.length };
  exports.forEach(([name, { params, paramptr, ret, retptr, retsize }], i) => {
    environment[`EXPORT${i}_NAME`] = name;
    environment[`EXPORT${i}_ARGS`] = (paramptr ? '*' : '') + params.join(',');
    environment[`EXPORT${i}_RET`] = (retptr ? '*' : '') + (ret ?? '');
    environment[`EXPORT${i}_RETSIZE`] = retsize;
  });
  imports.forEach(([, name, count], i) => {
    environment[`IMPORT${i}_NAME`] = name;
    environment[`IMPORT${i}_ARGCNT`] = count;
  });
  return { environment };
}

/** Runs the top level of a bundle: the core module with the memory that it leaves. */
async function preinitialise(modules, engine, bundle) {
  const { default: wizer } = await load(modules, '@bytecodealliance/wizer/index.js');
  const out = join(dirname(bundle), 'initialised.wasm');
  const mapped = [`--mapdir=/engine::${engine.folder}`, `--mapdir=/job::${dirname(bundle)}`];
  const options = ['--allow-wasi', '--inherit-env=true', '--wasm-bulk-memory=true', '--init-func=componentize.wizer'];
  const { status, error, stderr } = spawnSync(wizer, [...options, ...mapped, `-o=${out}`, join(engine.folder, 'engine.wasm')], {
    // HOME is where wizer keeps its compiled code.
    env: { HOME: process.env.HOME, XDG_CACHE_HOME: process.env.XDG_CACHE_HOME, ...engine.environment },
    input: `--initializer-script-path /engine/bindings.js --strip-path-prefix /job/ /job/${basename(bundle)}`,
    stdio: ['pipe', 'inherit', 'pipe'],
    encoding: 'utf8',
  });
  if (error) throw error;
  // Beside what the job prints, the engine's own words for a failure; where in the engine that was helps nobody.
  const [said, trapped] = stderr.split('Error: the `componentize.wizer` function trapped');
  if (said.trim()) console.error(said.trimEnd());
  if (status !== 0) throw new Error(trapped ? "the job's top level failed, which runs at build time" : 'wizer failed');
  return readFile(out);
}

/** Makes the component of a core module, as componentize-js does. */
async function finish(modules, wit, module) {
  const { splicer } = await load(modules, `${COMPONENTIZE}/lib/spidermonkey-embedding-splicer.js`);
  const { componentNew, metadataAdd, preview1AdapterReactorPath } = await load(modules, '@bytecodealliance/jco/src/api.js');
  // The engine's clock stands still, at the time that the splicer reads here. At none, it is the same in every component,
  // and a host compiles the engine once for all.
  const { now } = Date;
  Date.now = () => 0;
  let stubbed;
  try {
    stubbed = splicer.stubWasi(module, [], undefined, wit, 'job');
  } finally {
    Date.now = now;
  }
  const adapter = await readFile(preview1AdapterReactorPath());
  const component = await componentNew(stubbed, [['wasi_snapshot_preview1', adapter]], false);
  return Buffer.from(await metadataAdd(component, [['language', [['JavaScript', '']]]]));
}

/** Keeps an engine. A second build at the same time may be first; where it can't be kept, the next build makes it again. */
async function keep(cache, kept, made, engine, component) {
  let folder;
  try {
    await mkdir(cache, { recursive: true });
    folder = await mkdtemp(join(cache, '.new-'));
    await writeFile(join(made, COMPONENT), component);
    const files = {};
    for (const file of FILES) {
      const content = await readFile(join(made, file));
      files[file] = digest([content]);
      await writeFile(join(folder, file), content);
    }
    await writeFile(join(folder, 'engine.json'), JSON.stringify({ ...engine, files }));
    await rm(kept, { recursive: true, force: true });
    await rename(folder, kept);
  } catch (error) {
    console.error(`the engine is not kept, so the next build takes as long: ${error.message}`);
    if (folder) await rm(folder, { recursive: true, force: true });
  }
}

/** Loads a module of what componentize-js brings: from its own `node_modules`, where npm has put it there. */
async function load(modules, path) {
  const own = join(modules, COMPONENTIZE, 'node_modules', path);
  return import(pathToFileURL(existsSync(own) ? own : join(modules, path)));
}

function digest(pieces) {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}
