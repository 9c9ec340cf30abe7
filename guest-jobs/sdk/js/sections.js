/**
 * Core modules and components as sequences of sections: eight bytes of preamble, then for each section its id, its length
 * in LEB128, and its body. A core module within a component is a section itself.
 */

/** What holds the memory of a core module: its size, its content, and of how many pieces that is. */
const MEMORY = new Set([5, 11, 12]);
const CORE_MODULE = 1;

/**
 * A component whose largest core module has the memory of another one.
 *
 * @param {Uint8Array} component
 * @param {Uint8Array} module
 * @returns {Buffer}
 */
export function withMemory(component, module) {
  const isLarger = (a, b) => (a && a.end - a.body > b.end - b.body ? a : b);
  const engine = [...sections(component)].filter(({ id }) => id === CORE_MODULE).reduce(isLarger, undefined);
  const memory = new Map([...sections(module)].filter(({ id }) => MEMORY.has(id)).map((section) => [section.id, section.whole]));
  const inner = component.subarray(engine.body, engine.end);
  const parts = [inner.subarray(0, 8), ...[...sections(inner)].map(({ id, whole }) => memory.get(id) ?? whole)];
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const header = Buffer.from([CORE_MODULE, ...leb128(length)]);
  return Buffer.concat([component.subarray(0, engine.start), header, ...parts, component.subarray(engine.end)]);
}

/**
 * The sections of a core module beside its memory.
 *
 * @param {Uint8Array} module
 * @returns {Uint8Array[]}
 */
export function restOf(module) {
  return [...sections(module)].filter(({ id }) => !MEMORY.has(id)).map(({ whole }) => whole);
}

function* sections(binary) {
  for (let at = 8; at < binary.length; ) {
    const start = at;
    const id = binary[at++];
    let length = 0;
    for (let shift = 0, more = true; more; shift += 7) {
      more = binary[at] >= 0x80;
      length += (binary[at++] & 0x7f) * 2 ** shift;
    }
    const body = at;
    at += length;
    yield { id, start, body, end: at, whole: binary.subarray(start, at) };
  }
}

function leb128(number) {
  return number < 0x80 ? [number] : [(number & 0x7f) | 0x80, ...leb128(number >>> 7)];
}
