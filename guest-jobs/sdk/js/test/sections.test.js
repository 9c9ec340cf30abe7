import assert from 'node:assert/strict';
import { test } from 'node:test';
import { restOf, withMemory } from '../sections.js';

const CORE = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const COMPONENT = [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0];

const leb128 = (n) => (n < 0x80 ? [n] : [(n & 0x7f) | 0x80, ...leb128(n >>> 7)]);
const section = (id, body) => [id, ...leb128(body.length), ...body];

/** A core module with a memory of so many pages that holds these bytes. */
const module = (pages, bytes) => [
  ...CORE,
  ...section(5, [1, 0, pages]),
  ...section(7, [1, 1, 0x6d, 2, 0]),
  ...section(11, [1, 0, 0x41, 0, 0x0b, ...leb128(bytes.length), ...bytes]),
];
const component = (engine) =>
  Buffer.from([...COMPONENT, ...section(1, CORE), ...section(1, engine), ...section(1, module(1, [9])), ...section(0, [1, 0x78])]);

test('the largest module gets another memory and nothing else changes', () => {
  const [small, large] = [module(1, Array(100).fill(1)), module(2, Array(300).fill(2))];
  assert.deepEqual(withMemory(component(small), Buffer.from(large)), component(large));
  assert.deepEqual(withMemory(component(large), Buffer.from(small)), component(small));
});

test('what is no memory is told apart', () => {
  const rest = (bytes) => Buffer.concat(restOf(Buffer.from(bytes)));
  assert.deepEqual(rest(module(1, [1])), rest(module(7, [2, 3])));
  assert.notDeepEqual(rest(module(1, [1])), rest([...module(1, [1]), ...section(0, [1, 0x78])]));
});
