#!/bin/sh
# Vets and tests the Go SDK and the Go jobs natively, and vets what only a component has. Needs Go and no network.
set -eu
cd "$(dirname "$0")"
export CGO_ENABLED=0 GOFLAGS= GOPROXY=off
for folder in ../sdk/go sensor_alerts sensor_pipeline conformance pages; do
    echo "== $folder"
    (cd "$folder" && go vet ./... && go test ./...)
done
echo "== what only a component has"
(cd ../sdk/go && GOOS=wasip1 GOARCH=wasm go vet ./internal/...)
echo "== gofmt"
test -z "$(gofmt -l ../sdk/go . | tee /dev/stderr)"
