#!/usr/bin/env bash
# install_packages.sh GROUP...: makes sure that every package of the named groups in packages.txt is there.
# Quick and silent when nothing is missing: asks dpkg first and needs neither root nor the network then.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf '%s\n' "$*" >&2; }
stop() { say "crossfade: $*"; exit 1; }

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  stop "this script installs Debian 12 packages and found no apt-get here; the list is in tests/support/packages.txt"
fi

wanted=()
for group in "$@"; do
  while read -r name package _; do
    if [[ $name == "$group" ]]; then wanted+=("$package"); fi
  done < <(grep -v '^#' "$here/packages.txt")
done
[[ ${#wanted[@]} -gt 0 ]] || stop "no packages in the groups: $*"

missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  if [[ $status != installed ]]; then missing+=("$package"); fi
done
if [[ ${#missing[@]} -eq 0 ]]; then exit 0; fi

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || stop "not root and no sudo; as root: apt-get install --no-install-recommends ${missing[*]}"
  as_root=(sudo)
fi
root() { ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive "$@"; }

say "installing ${#missing[@]} packages: ${missing[*]}"

# Debian's server package makes a cluster and starts it on port 5432. Crossfade starts its own, so on a machine that
# has no PostgreSQL yet that one is not made. The setting is taken back as soon as the installation is over.
setting=/etc/postgresql-common/createcluster.d/crossfade.conf
undo_setting() { if [[ -n ${setting_made:-} ]]; then root rm -f "$setting"; fi; }
if [[ " ${missing[*]} " == *" postgresql-15 "* && ! -e $setting ]]; then
  trap undo_setting EXIT
  setting_made=yes
  root mkdir -p "$(dirname "$setting")"
  echo 'create_main_cluster = false' | root tee "$setting" >/dev/null
fi

log=$(mktemp)
options=(-y -q --no-install-recommends -o DPkg::Lock::Timeout=300)
if ! { root apt-get update -q && root apt-get install "${options[@]}" "${missing[@]}"; } </dev/null >"$log" 2>&1; then
  tail -n 25 "$log" >&2
  rm -f "$log"
  stop "apt-get could not install: ${missing[*]} (its last lines are above)"
fi
rm -f "$log"
