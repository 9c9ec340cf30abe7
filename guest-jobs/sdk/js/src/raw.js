const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/** The text of a member of an object, given as valid JSON; undefined where it has none of the name, or is no object. */
export function rawOf(json, name) {
  let depth = 0;
  let last = '';
  let start = -1;
  let found;
  if (!json.trimStart().startsWith('{')) return undefined;
  for (const { 0: token, index } of json.matchAll(TOKEN)) {
    if (depth === 1 && (token === ',' || token === '}')) {
      if (start !== -1) found = json.slice(start, index).trim();
      start = -1;
    }
    if (token[0] === '"') last = token;
    else if (depth === 1 && token === ':') start = JSON.parse(last) === name ? index + 1 : -1;
    else if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
  }
  return found;
}
