#!/usr/bin/env bash
# Looks for known vulnerabilities in what each module calls. The database is on the network: where it cannot be
# reached nothing can be said, so this says "not run" with the reason and succeeds.
set -uo pipefail
cd "$(dirname "$0")/.."
tool="golang.org/x/vuln/cmd/govulncheck@${GOVULNCHECK:?version, set by the Taskfile}"
failed=0
not_run() {
  echo "vuln: not run: $1"
  exit $failed
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# With -version it also reads the database's age, and says nothing of it where it cannot.
go run "$tool" -version >"$log" 2>&1 || not_run "govulncheck cannot be fetched or built: $(tail -n 1 "$log")"
while IFS= read -r dir; do
  echo "vuln: ${dir#"$PWD"/}"
  (cd "$dir" && go run "$tool" ./...) >"$log" 2>&1 </dev/null
  code=$?
  if reason=$(grep -m 1 '^govulncheck: fetching vulnerabilities:' "$log"); then
    not_run "the vulnerability database cannot be read: ${reason#*: *: }"
  fi
  cat "$log"
  [ $code -eq 0 ] || failed=1
done < <(go list -e -f '{{with .Module}}{{.Dir}}{{end}}' work | sort -u)
exit $failed
