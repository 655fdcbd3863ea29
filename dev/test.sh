#!/usr/bin/env bash
# Installs the real servers that tests start, where that can be done, then runs all tests of the workspace.
# Arguments go to go test in place of "work". With HAM_REQUIRE=1 a missing server is an error; without it, the
# tests that need it are skipped, and this says which.
set -euo pipefail
cd "$(dirname "$0")/.."
. dev/servers.sh
need_servers dev/servers.txt

if [ -z "$missing" ]; then
  export HAM_REQUIRE=1 # everything is there, so nothing may be skipped
else
  names=$(awk '{print $1}' <<<"$missing" | paste -sd ' ')
  if [ "${HAM_REQUIRE:-}" = 1 ]; then
    echo "Missing: $names. HAM_REQUIRE=1 asks for all of them. Reason: $why" >&2
    exit 1
  fi
  echo "LEFT OUT: the tests that need $names. Reason: $why"
fi

# Those that take longest begin first, so that none is left to run alone at the end.
[ $# -gt 0 ] || set -- ./services/executor/resource/... ./cmd/ham/internal/browser/... ./cmd/ham ./services/notifier work
# Tests mostly wait for processes and sockets, so a few more may run at once than there are cores.
exec go test -timeout 10m -parallel 4 "$@"
