#!/usr/bin/env bash
# What holds of the source without running it: form, vet, staticcheck, house rules. Runs all, then fails if any did.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()

part() { # name, command…
  echo "check: $1"
  "${@:2}" || failed+=("$1")
}

formatted() {
  local unformatted
  unformatted=$("$(go env GOROOT)/bin/gofmt" -l .) || return 1
  [ -z "$unformatted" ] && return
  printf '%s\n' "These files are not formatted: run gofmt -w on them." "$unformatted"
  return 1
}

part gofmt formatted
part "go vet" go vet work
part staticcheck go run "honnef.co/go/tools/cmd/staticcheck@${STATICCHECK:?version, set by the Taskfile}" work
# Without the cache: it does not see changes outside the module of the tests.
part "house rules" go test -count=1 ./dev/house

[ ${#failed[@]} -eq 0 ] && exit
(IFS=,; echo "check: failed: ${failed[*]}" >&2)
exit 1
