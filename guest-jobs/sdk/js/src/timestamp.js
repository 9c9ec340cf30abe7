/** Times as RFC 3339 writes them. The engine brings the same natively; what stands here serves under node. */

import { exact } from './exact.js';

const TIME = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

function parsed(text) {
  const match = TIME.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number);
  const [, , , , , , , fraction = '', sign, zoneHour = '0', zoneMinute = '0'] = match;
  if (hour > 23 || minute > 59 || second > 60 || +zoneHour > 23 || +zoneMinute > 59 || year < 1) return null;
  // Date.UTC takes years below 100 for those of the last century.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const zone = (+zoneHour * 60 + +zoneMinute) * (sign === '-' ? -1 : 1);
  const minutes = date.getTime() / 60000 + hour * 60 + minute - zone;
  return exact(BigInt(minutes * 60 + second) * 1_000_000n + BigInt(fraction.slice(0, 6).padEnd(6, '0')));
}

export const microseconds = globalThis.pelton?.microseconds ?? parsed;
