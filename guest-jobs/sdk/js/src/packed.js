/** Byte strings laid end to end, with or without nulls, written and read as the contract says: for the fake host. The engine does
 * the same natively. */

const encoder = new TextEncoder();
// A byte order mark is part of the value, and what is not UTF-8 must not pass.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const NOTHING = new Uint8Array(0);

/** Numbers as they cross: their bytes, little-endian as in every engine that runs WebAssembly. */
export function bytesOf(numbers) {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

/** A column that crossed, for `itemOf`. Copied: a buffer may start anywhere. */
export function opened({ ends, bytes }) {
  return { ends: uint32s(ends), bytes: new Uint8Array(bytes) };
}

export function openedNullable({ validity, items }) {
  return { validity: new Uint8Array(validity), items: opened(items) };
}

/** The headers of a batch or of an output; undefined where there are none. */
export function openedHeaders(headers) {
  if (!headers) return undefined;
  return { ends: uint32s(headers.ends), names: opened(headers.names), values: openedNullable(headers.values) };
}

/** 32-bit numbers that crossed. */
export function uint32s(bytes) {
  return new Uint32Array(new Uint8Array(bytes).buffer);
}

/** Whether item `index` is not null. */
export function isValid(validity, index) {
  return validity.length === 0 || ((validity[index >> 3] >> (index & 7)) & 1) === 1;
}

/** The validity bitmap of these items; empty where none is null. */
export function validityOf(items) {
  const count = items.length;
  if (!items.includes(null)) return NOTHING;
  const bits = new Uint8Array((count + 7) >> 3);
  for (let i = 0; i < count; i++) if (items[i] !== null) bits[i >> 3] |= 1 << (i & 7);
  return bits;
}

/** Packs items: strings, bytes, or nulls, which take no bytes. */
export function pack(items) {
  const parts = items.map((item) => (typeof item === 'string' ? encoder.encode(item) : (item ?? NOTHING)));
  const ends = new Uint32Array(items.length);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (let i = 0; i < parts.length; i++) {
    bytes.set(parts[i], end);
    ends[i] = end += parts[i].length;
  }
  return { ends: bytesOf(ends), bytes };
}

export function packNullable(items) {
  return { validity: validityOf(items), items: pack(items) };
}

/** Item `index` of an opened column as bytes: a view, not a copy. */
export function itemOf(packed, index) {
  return packed.bytes.subarray(index === 0 ? 0 : packed.ends[index - 1], packed.ends[index]);
}

/** Item `index` as bytes; null where it is null. */
export function nullableItemOf(column, index) {
  return isValid(column.validity, index) ? itemOf(column.items, index) : null;
}

/** Bytes as text. Throws a TypeError where they are not UTF-8. */
export function textOf(bytes) {
  return decoder.decode(bytes);
}

/** How many bytes at the start are UTF-8. */
export function validUpTo(bytes) {
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at];
    const size = byte < 0x80 ? 1 : byte < 0xc2 ? 0 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf5 ? 4 : 0;
    if (size === 0 || at + size > bytes.length) return at;
    if (size > 1) {
      try {
        decoder.decode(bytes.subarray(at, at + size));
      } catch {
        return at;
      }
    }
    at += size;
  }
  return at;
}
