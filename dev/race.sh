#!/usr/bin/env bash
# Runs the tests of the packages in dev/race.txt with the race detector, each twice, those of dev/race-once.txt once. Arguments go to
# go test in place of the lists.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
compiler=$(go env CC)
if ! command -v "${compiler%% *}" >/dev/null; then
  echo "race: the race detector needs a C compiler and there is no ${compiler%% *}: apt-get install gcc libc6-dev" >&2
  exit 1
fi
export CGO_ENABLED=1
race() { go test -race -timeout 15m -parallel 4 "$@"; }
if [ $# -gt 0 ]; then
  race -count=2 "$@"
  exit
fi
packages() { # of a list
  local patterns
  mapfile -t patterns < <(sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$1")
  go list "${patterns[@]}"
}
failed=0
mapfile -t once < <(packages dev/race-once.txt)
mapfile -t twice < <(comm -23 <(packages dev/race.txt | sort) <(printf '%s\n' "${once[@]}" | sort))
race -count=2 "${twice[@]}" || failed=1
race -count=1 "${once[@]}" || failed=1
exit $failed
