#!/usr/bin/env bash
# build.sh FOLDER [TARGET...] [--MESON-OPTION...]: configures FOLDER (below the repository's root) once, and builds the
# targets, or everything. A folder that was set up with other options, or half, is set up again. A release is linked as
# one program (link-time optimisation): tests/bench/README.md says what that is worth.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$root/$1
shift
targets=()
options=()
for argument in "$@"; do
  case $argument in
    --buildtype=release) options+=("$argument" -Db_lto=true) ;;
    -*) options+=("$argument") ;;
    *) targets+=("$argument") ;;
  esac
done

mkdir -p "$folder"
if [[ ! -f $folder/build.ninja || $(cat "$folder/.options" 2>/dev/null) != "${options[*]-}" ]]; then
  rm -rf "$folder/meson-private" "$folder/meson-info" "$folder/build.ninja"
  if ! meson setup "$folder" "$root" ${options[@]+"${options[@]}"} >"$folder/setup.log" 2>&1; then
    tail -n 20 "$folder/setup.log" >&2
    echo "crossfade: meson could not set up $folder (its last lines are above)" >&2
    exit 1
  fi
  printf '%s\n' "${options[*]-}" >"$folder/.options"
fi
# What one copy of the repository has compiled serves the next: all paths are relative, so the folder need not be part of the key.
export CCACHE_NOHASHDIR=${CCACHE_NOHASHDIR-1} CCACHE_BASEDIR=${CCACHE_BASEDIR-$root}
ninja -C "$folder" --quiet ${targets[@]+"${targets[@]}"} >&2
