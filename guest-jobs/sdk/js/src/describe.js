/** What was thrown: `Type: text`, and below it the stack. V8's stacks begin with that line, others lack it. */
export function describe(error) {
  if (!(error instanceof Error)) return `thrown: ${String(error)}`;
  const title = `${error.name}: ${error.message}`;
  const stack = String(error.stack ?? '').trimEnd();
  return stack.startsWith(title) ? stack : `${title}\n${stack}`.trimEnd();
}
