/** A 64-bit integer, given as a bigint: as a number where that is exact, which it is up to 2^53, else as it is. */
export function exact(integer) {
  const number = Number(integer);
  return Number.isSafeInteger(number) ? number : integer;
}
