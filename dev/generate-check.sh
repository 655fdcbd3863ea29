#!/usr/bin/env bash
# Runs go generate on a copy of the tree and fails with the difference, if there is one. The tree stays as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

# What git would commit: tracked and new files, as they are now, without those deleted or ignored; all files where
# there is no repository. safe.directory: the tree may belong to another user, as in many build machines.
files() {
  if git -c safe.directory='*' rev-parse --git-dir >/dev/null 2>&1; then
    git -c safe.directory='*' ls-files -z --cached --others --exclude-standard
  else
    find . -path ./bin -prune -o -type f -print0
  fi
}
files | while IFS= read -r -d '' file; do
  [ ! -e "$file" ] || printf '%s\0' "$file"
done | tar --null --no-recursion -T - -cf - | tar -xf - -C "$copy"

cd "$copy"
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE # of a hook that may have called this
git init -q
git add --all
go generate work
git add --all --intent-to-add # new files count too
if ! git --no-pager diff --exit-code; then
  echo "generate: the files above are not what go generate makes of the source: run go tool task generate and commit" >&2
  exit 1
fi
echo "generate: all generated files are as go generate makes them"
