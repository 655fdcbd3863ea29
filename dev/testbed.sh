#!/usr/bin/env bash
# Installs what the test bed needs, where that can be done, then runs it. testbed.sh short|bench|… and its flags. With HAM_REQUIRE=1 what
# cannot be run is an error; without it, it is left out and this says why.
set -euo pipefail
cd "$(dirname "$0")/.."
. dev/servers.sh
lists=(dev/servers.txt)
[ "${1:-}" = short ] || lists+=(deploy/testbed/servers.txt)
need_servers "${lists[@]}"
[ -z "$missing" ] || echo "Missing: $(paste -sd ' ' <<<"$missing"). Reason: $why"
mkdir -p bin
go build -o bin/testbed ./deploy/testbed
exec bin/testbed "$@" # not by `go run`, which would stand between an interrupt and what it is to clean up
