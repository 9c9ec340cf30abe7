/** What was thrown: `Type: text`, and below it the stack. V8's stacks begin with that line, others lack it. */
export function describe(error) {
  if (!(error instanceof Error)) return `thrown: ${String(error)}`;
  const title = `${error.name}: ${error.message}`;
  const stack = String(error.stack ?? '').trimEnd();
  if (stack.startsWith(title)) return stack;
  return `${title}\n${inFiles(stack, globalThis.peltonLines)}`.trimEnd();
}

/**
 * A stack whose lines are those of the author's files, by the runs of lines that `build.js` leaves in the script. Whatever has
 * no line there stays as it is.
 */
export function inFiles(stack, lines) {
  if (lines === undefined) return stack;
  const { files, runs } = lines;
  return stack.replace(/\bjob\.js:(\d+)(?::\d+)?/g, (whole, number) => {
    let found = -1;
    for (let at = 0; at < runs.length && runs[at] <= number; at += 3) found = at;
    return found < 0 ? whole : `${files[runs[found + 1]]}:${runs[found + 2] + (number - runs[found])}`;
  });
}
