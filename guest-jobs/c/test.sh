#!/bin/sh
# Tests the C SDK and the C jobs natively, with sanitizers where the compiler has them: the SDK's own tests, each job's
# `test.c`, the job of docs/sdk/c.md, and the first template of `pelton new`. CC names another compiler.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The template as `pelton new` unpacks it, and the page's job with a test of its own.
mkdir -p "$work/template/sdk" "$work/page/sdk"
cp ../sdk/c/pelton* "$work/template/sdk"
cp ../sdk/c/pelton* "$work/page/sdk"
for file in words/job.c words/test.c common/test.sh; do
    sed 's/{{name}}/words/g' "../../host/crates/build/templates/c/$file" >"$work/template/${file##*/}"
done
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' ../../docs/sdk/c.md >"$work/page/test.c"
cp "$work/template/test.sh" "$work/test.sh"

sh "$work/test.sh" test_sdk.c "$PWD"
for job in sensor_alerts sensor_pipeline conformance; do
    sh "$work/test.sh" test.c "$PWD/$job"
done
sh "$work/test.sh" test.c "$work/page"
sh "$work/test.sh" test.c "$work/template"
