#!/usr/bin/env bash
# tests/fuzz/run.sh [seconds] [target …]
# Builds the fuzzers with clang's libFuzzer under the address and undefined-behaviour sanitisers and runs each for that
# long (default 60). New inputs go to build/fuzz-corpus; a finding is kept in build/fuzz-findings and ends with status 1.
#   tests/fuzz/run.sh --minimise [target …]   merges what was found worth keeping into tests/fuzz/corpus
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$root/build/fuzz
mode=run
seconds=60
if [[ ${1:-} == --minimise ]]; then
  mode=minimise
  shift
elif [[ ${1:-} =~ ^[0-9]+$ ]]; then
  seconds=$1
  shift
fi
targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then
  mapfile -t targets < <(cd "$root/tests/fuzz" && printf '%s\n' *_fuzz.cpp | sed 's/_fuzz\.cpp$//')
fi

if [[ ! -f $build/build.ninja ]]; then
  CC=clang CXX=clang++ meson setup "$build" "$root" -Dfuzzers=true -Dwerror=false --buildtype=debugoptimized \
    -Db_sanitize=address,undefined >&2
fi
ninja -C "$build" "${targets[@]/#/tests/fuzz/fuzz_}" >&2

findings=$root/build/fuzz-findings
mkdir -p "$findings"
status=0
for target in "${targets[@]}"; do
  fresh=$root/build/fuzz-corpus/$target
  kept=$root/tests/fuzz/corpus/$target
  mkdir -p "$fresh" "$kept"
  program=$build/tests/fuzz/fuzz_$target
  if [[ $mode == minimise ]]; then
    "$program" -merge=1 "$kept" "$fresh" 2>/dev/null
    echo "$target: $(find "$kept" -type f | wc -l) files"
    continue
  fi
  log=$findings/$target.log
  if UBSAN_OPTIONS=halt_on_error=1 "$program" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 \
    -artifact_prefix="$findings/$target-" "$fresh" "$kept" >"$log" 2>&1; then
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs, no finding"
  else
    echo "$target: FINDING, see $log"
    status=1
  fi
done
exit "$status"
