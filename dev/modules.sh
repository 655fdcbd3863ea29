#!/usr/bin/env bash
# Holds each module to its own go.mod: what builds in the workspace must build without it, and go.mod must be tidy.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()
for dir in $(go list -m -f '{{.Dir}}'); do
  name=${dir#"$PWD"/}
  echo "module: $name"
  (cd "$dir" && export GOWORK=off && go build -o /dev/null ./... && go mod tidy -diff) || failed+=("$name")
done
[ ${#failed[@]} -eq 0 ] && exit
echo "modules: failed: ${failed[*]} (a go.mod that is not tidy: GOWORK=off go mod tidy there)" >&2
exit 1
