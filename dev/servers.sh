#!/usr/bin/env bash
# To be sourced: installs the real servers that files such as dev/servers.txt list, where that can be done.
PATH=$PATH:/usr/sbin:/sbin # where haproxy lies on Debian, and which an ordinary user's PATH may lack

missing_servers() { # file…: prints "command package" of each server that is not there
  local command package
  # Debian keeps PostgreSQL's server out of PATH, in a folder of its version.
  local PATH=$PATH:$(echo /usr/lib/postgresql/*/bin | tr ' ' :)
  cat "$@" | while read -r command package; do
    case $command in '' | '#'*) continue ;; esac
    command -v "$command" >/dev/null || echo "$command $package"
  done
}

need_servers() { # file…: leaves what is missing in $missing, and the reason in $why
  local packages apt
  missing=$(missing_servers "$@")
  why=
  if [ -n "$missing" ]; then
    packages=$(awk '{print $2}' <<<"$missing" | sort -u | paste -sd ' ')
    if [ "$(id -u)" -ne 0 ]; then
      why="only root may install packages: sudo apt-get install $packages"
    elif ! command -v apt-get >/dev/null; then
      why="there is no apt-get here: install $packages by other means"
    else
      echo "Installing: $packages"
      export DEBIAN_FRONTEND=noninteractive
      apt=(apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3)
      # shellcheck disable=SC2086 # one word a package
      if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends $packages; } </dev/null; then
        why="apt-get could not install $packages (see above)"
      fi
      missing=$(missing_servers "$@")
    fi
  fi
}
