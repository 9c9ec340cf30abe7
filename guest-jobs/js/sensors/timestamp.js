/** Times as RFC 3339 writes them, with or without a fraction: Python leaves it out where it is zero. */

const SECONDS = /^[0-5]\d\.\d{6}$/;
const TIME = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

// The minute of the time before, as text and in microseconds: readings of one minute come together, and then only the
// seconds are read.
let minute = '';
let minuteStart = 0;

/** Microseconds since 1970-01-01 00:00:00 UTC, or null where the text is no such time. Digits beyond the microsecond are cut
 * off; second 60 is the first of the next minute. */
export function microseconds(text) {
  if (text.length === 32 && minute !== '' && text.startsWith(minute) && text.endsWith('+00:00')) {
    const seconds = text.slice(17, 26);
    if (SECONDS.test(seconds)) return minuteStart + Math.round(seconds * 1e6);
  }
  return anyTime(text);
}

function anyTime(text) {
  const match = TIME.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minutes, second] = match.slice(1, 7).map(Number);
  const [, , , , , , , fraction = '', sign, zoneHour = '0', zoneMinute = '0'] = match;
  if (hour > 23 || minutes > 59 || second > 60 || +zoneHour > 23 || +zoneMinute > 59 || year < 1) return null;
  // Date.UTC takes years below 100 for those of the last century.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const zone = (+zoneHour * 60 + +zoneMinute) * (sign === '-' ? -1 : 1);
  const start = (date.getTime() / 60000 + hour * 60 + minutes - zone) * 60e6;
  if (text.length === 32 && text.endsWith('+00:00')) {
    minute = text.slice(0, 17);
    minuteStart = start;
  }
  return start + second * 1e6 + +fraction.slice(0, 6).padEnd(6, '0');
}
