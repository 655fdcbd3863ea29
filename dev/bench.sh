#!/usr/bin/env bash
# Runs the benchmarks of the workspace, one package after the other so that they do not disturb each other.
# Arguments go to go test in place of the list of packages that have any.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
  mapfile -t dirs < <(grep -rlE --include='*_test.go' '^func Benchmark' cmd pkg services | xargs -r dirname | sort -u)
  if [ ${#dirs[@]} -eq 0 ]; then
    echo "bench: no benchmark below cmd, pkg and services"
    exit
  fi
  set -- "${dirs[@]/#/./}"
fi
exec go test -run '^$' -bench . -benchmem -p 1 "$@"
