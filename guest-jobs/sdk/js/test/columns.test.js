/** Values of every type, at the ends of their ranges. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { columnOf, Misfit } from '../src/columns.js';
import { pack, textOf, uint32s, validUpTo, validityOf } from '../src/packed.js';

// A column's numbers as their bytes, or its packed items.
const data = (type, ...values) => columnOf({ label: 'column `c`', type }, values.map((value) => [value]), 0).data.val;

test('64-bit integers keep every bit', () => {
  const values = [0, -1, 1, 2 ** 32, -(2 ** 32), 2 ** 31, -(2 ** 31) - 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];
  const natural = values.filter((value) => value >= 0).concat(2 ** 32 - 1, 2 ** 33 + 5, 1714644672123456);
  for (const some of [values, natural, []]) {
    assert.deepEqual(Array.from(new BigInt64Array(data('int8', ...some).buffer)), some.map(BigInt));
  }
  const ends = [-(2n ** 63n), 2n ** 63n - 1n];
  assert.deepEqual(Array.from(new BigInt64Array(data('timestamp', ...ends).buffer)), ends);
  assert.deepEqual(Array.from(new BigInt64Array(data('timestamptz', new Date(-1)).buffer)), [-1000n]);
});

test('what does not fit is refused', () => {
  const cases = [
    ['boolean', 1], ['int2', 32768], ['int2', 1.5], ['int4', NaN], ['int4', '1'], ['int8', 2 ** 53], ['int8', 2n ** 63n],
    ['int8', new Date()], ['timestamptz', new Date(NaN)], ['float4', '1'], ['float8', 1n], ['text', 1], ['json', {}],
    ['numeric', 1], ['bytea', 'a'], ['uuid', new Uint8Array(15)], ['text', undefined], ['int4', undefined],
  ];
  for (const [type, value] of cases) {
    // Beside a null, beside a number, and alone.
    for (const before of [[null], type.startsWith('int') || type.startsWith('time') ? [1] : [], []]) {
      assert.throws(() => data(type, ...before, value), Misfit, `${type} ${before} ${String(value)}`);
    }
  }
});

test('packed items keep their places, whatever they are', () => {
  for (const items of [[], ['a', 'bc'], ['é', '', '😀'], [null, 'a', new Uint8Array([0, 255])], ['\ud800', 'a']]) {
    const packed = pack(items);
    const ends = uint32s(packed.ends);
    const { bytes } = packed;
    let start = 0;
    items.forEach((item, n) => {
      const expected = typeof item === 'string' ? new TextEncoder().encode(item) : (item ?? []);
      assert.deepEqual(Array.from(bytes.slice(start, ends[n])), Array.from(expected));
      start = ends[n];
    });
    assert.equal(start, bytes.length);
  }
});

test('validity is Arrow\'s', () => {
  assert.equal(validityOf(['a', 'b']).length, 0);
  const items = Array.from({ length: 17 }, (_, n) => (n % 3 === 0 ? null : 'a'));
  const bits = validityOf(items);
  assert.equal(bits.length, 3);
  items.forEach((item, n) => assert.equal((bits[n >> 3] >> (n & 7)) & 1, item === null ? 0 : 1));
});

test('the first byte that is not UTF-8 is found', () => {
  const cases = [[[0x61, 0xff], 1], [[0xc3], 0], [[0xc3, 0xa9, 0x80], 2], [[0xed, 0xa0, 0x80], 0], [[0xf4, 0x90, 0x80, 0x80], 0], [[0xe2, 0x82, 0xac], 3]];
  for (const [bytes, expected] of cases) assert.equal(validUpTo(Uint8Array.from(bytes)), expected, String(bytes));
  assert.throws(() => textOf(Uint8Array.of(0xc0, 0x80)), TypeError);
});
