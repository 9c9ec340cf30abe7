/**
 * Byte strings laid end to end, with or without nulls, written and read as the contract says.
 *
 * Engines without a JIT pay for every step of JavaScript and little for what is native. So text is encoded and decoded
 * for a whole batch in one call; where that gives one byte per character (ASCII), places in the bytes are places in the text,
 * and an item costs no more than a slice. Else items are handled one by one.
 */

const encoder = new TextEncoder();
// A byte order mark is part of the value, and what is not UTF-8 must not pass.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const NOTHING = new Uint8Array(0);

/** Numbers as they cross: their bytes, little-endian as in every engine that runs WebAssembly. */
export function bytesOf(numbers) {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

/**
 * A column that crossed, for `itemOf`. Copied, for two reasons: a buffer may start anywhere, and the bindings of a component
 * live in a realm of their own, whose Uint8Array is not the job's: `instanceof` would deny it, and each element would be
 * read through a proxy.
 */
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
  return packText(items) ?? packEach(items, new Uint32Array(items.length));
}

/** Packs strings and nulls; null where an item is anything else. */
export function packText(items) {
  const ends = new Uint32Array(items.length);
  let end = 0;
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    if (typeof item === 'string') end += item.length;
    else if (item !== null) return null;
    ends[i] = end;
  }
  // `join` puts nothing in the place of a null.
  const bytes = encoder.encode(items.join(''));
  return bytes.length === end ? { ends: bytesOf(ends), bytes } : packEach(items, ends);
}

function packEach(items, ends) {
  const parts = items.map((item) => (typeof item === 'string' ? encoder.encode(item) : (item ?? NOTHING)));
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

/** All bytes as text, if they are ASCII; else null. */
export function asciiOf(bytes) {
  try {
    const text = decoder.decode(bytes);
    return text.length === bytes.length ? text : null;
  } catch {
    return null;
  }
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
