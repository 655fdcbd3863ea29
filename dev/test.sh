#!/usr/bin/env bash
# Installs the real servers that tests start, where that can be done, then runs all tests of the workspace.
# Arguments go to go test in place of "work". With HAM_REQUIRE=1 a missing server is an error; without it, the
# tests that need it are skipped, and this says which.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin # where haproxy lies on Debian, and which an ordinary user's PATH may lack

missing_servers() { # prints "command package" of each server that is not there
  local command package
  # Debian keeps PostgreSQL's server out of PATH, in a folder of its version.
  local PATH=$PATH:$(echo /usr/lib/postgresql/*/bin | tr ' ' :)
  while read -r command package; do
    case $command in '' | '#'*) continue ;; esac
    command -v "$command" >/dev/null || echo "$command $package"
  done <dev/servers.txt
}

missing=$(missing_servers)
why=
if [ -n "$missing" ]; then
  packages=$(awk '{print $2}' <<<"$missing" | sort -u | paste -sd ' ')
  if [ "$(id -u)" -ne 0 ]; then
    why="only root may install packages: sudo apt-get install $packages"
  elif ! command -v apt-get >/dev/null; then
    why="there is no apt-get here: install $packages by other means"
  else
    echo "Installing for the tests: $packages"
    export DEBIAN_FRONTEND=noninteractive
    apt=(apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3)
    # shellcheck disable=SC2086 # one word a package
    if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends $packages; } </dev/null; then
      why="apt-get could not install $packages (see above)"
    fi
    missing=$(missing_servers)
  fi
fi

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

[ $# -gt 0 ] || set -- work
# Tests mostly wait for processes and sockets, so a few more may run at once than there are cores.
exec go test -timeout 10m -parallel 4 "$@"
