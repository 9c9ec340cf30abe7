#!/bin/sh
# Tests the Python SDK and the Python jobs natively with pytest, and checks their types with mypy. Both come from PyPI,
# into a virtual environment in the cache folder.
set -eu
cd "$(dirname "$0")"
tools="${XDG_CACHE_HOME:-$HOME/.cache}/pelton/python-tests-pytest-9.0.1-mypy-1.19.0"
if [ ! -e "$tools/complete" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet pytest==9.0.1 mypy==1.19.0
    touch "$tools/complete"
fi
for folder in ../sdk/python sensor_alerts sensor_pipeline conformance; do
    echo "== $folder"
    (cd "$folder" && "$tools/bin/python" -m pytest -q -p no:cacheprovider)
done
echo "== types"
(cd ../sdk/python && "$tools/bin/mypy" --cache-dir /dev/null)
for job in sensor_alerts sensor_pipeline conformance; do
    (cd "$job" && MYPYPATH=../../sdk/python "$tools/bin/mypy" --strict --cache-dir /dev/null job.py tests)
done
