#!/bin/sh
# Builds the tests natively, with sanitizers where the compiler has them, and runs them: `sh test.sh [FILE.c [FOLDER]]`.
# CC names the compiler; else the first of cc, clang, gcc, zig and Python's ziglang is taken.
set -eu
cd "${2:-$(dirname "$0")}"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
echo 'int main(void) { return 0; }' >"$out/probe.c"

compiler=
for candidate in "${CC:-}" cc clang gcc "zig cc" "python3 -m ziglang cc"; do
    if [ -n "$candidate" ] && $candidate "$out/probe.c" -o "$out/probe" 2>/dev/null; then
        compiler=$candidate
        break
    fi
done
if [ -z "$compiler" ]; then
    echo 'no C compiler found: looked for cc, clang, gcc, zig and python3 -m ziglang; get one with "pip install ziglang==0.17.1"' >&2
    exit 1
fi
sanitizers="-fsanitize=address,undefined -fno-sanitize-recover=all"
$compiler $sanitizers "$out/probe.c" -o "$out/probe" 2>/dev/null || sanitizers=

$compiler -std=c11 -g -O1 -Wall -Wextra -Wno-missing-field-initializers $sanitizers -I. "${1:-test.c}" -o "$out/test" -lm
"$out/test"
echo "passed: $PWD/${1:-test.c} (${sanitizers:-without sanitizers})"
