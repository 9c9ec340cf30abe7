/** Whether a value is a string that Postgres takes as text. */
export const isText =
  globalThis.pelton?.isText ?? ((value) => typeof value === 'string' && value.isWellFormed() && !value.includes('\0'));
