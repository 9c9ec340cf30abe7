#!/bin/sh
# Tests the JavaScript SDK under plain node, and holds its types and the jobs to TypeScript, which npm fetches.
set -eu
cd "$(dirname "$0")"
npm ci --silent --no-audit --no-fund
cd ../sdk/js
npm test
