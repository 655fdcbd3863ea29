#!/usr/bin/env bash
# Runs the tests of the packages in dev/race.txt with the race detector, each twice. Arguments go to go test in
# place of the list.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
compiler=$(go env CC)
if ! command -v "${compiler%% *}" >/dev/null; then
  echo "race: the race detector needs a C compiler and there is no ${compiler%% *}: apt-get install gcc libc6-dev" >&2
  exit 1
fi
if [ $# -eq 0 ]; then
  mapfile -t patterns < <(sed 's/#.*//; s/[[:space:]]*$//; /^$/d' dev/race.txt)
  set -- "${patterns[@]}"
fi
export CGO_ENABLED=1
exec go test -race -count=2 -timeout 15m -parallel 4 "$@"
