/** JSON as Python's `json.dumps` prints it, for jobs that take over from one in Python. */

/** A string: quoted, with everything but printable ASCII escaped. */
export function string(text: string): string;

/** A finite number as `repr(float)` does: `30.0`, `1e-05`, `1e+16`. */
export function float(number: number): string;

/** Valid JSON with one blank after each comma and colon and no other; strings and numbers stay as they are written. */
export function respace(json: string): string;
