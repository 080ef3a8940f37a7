#!/usr/bin/env bash
# tests/run.sh [--quick] [--sanitize address,undefined|thread] [pattern]
# Installs what the tests need, builds, and runs every test. The last line is "N passed, M failed, K skipped".
#   --quick      leaves out what needs database servers
#   --sanitize   builds and runs with these sanitisers, in a build folder of their own
#   pattern      only the tests whose name contains it
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
support=$root/tests/support

usage() { sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
extent=full
sanitizers=none
pattern=
while [[ $# -gt 0 ]]; do
  case $1 in
    --quick) extent=quick ;;
    --sanitize) sanitizers=${2:?--sanitize needs address,undefined or thread}; shift ;;
    --sanitize=*) sanitizers=${1#*=} ;;
    -h|--help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) pattern=$1 ;;
  esac
  shift
done
case $sanitizers in
  none) folder=build/test; options=(--buildtype=debugoptimized) ;;
  address,undefined|thread)
    folder=build/test-${sanitizers/,/-}
    options=(--buildtype=debug --optimization=1 "-Db_sanitize=$sanitizers") ;;
  *) usage >&2; exit 2 ;;
esac

"$support/install_packages.sh" build run test
if [[ $extent == full ]]; then
  NODE_PATH=$("$support/install_node.sh")
  POSTGRES_JS_PATH=$("$support/install_drivers.sh")
  export NODE_PATH POSTGRES_JS_PATH
fi
echo "building into $folder" >&2
"$support/build.sh" "$folder" "${options[@]}"
exec /usr/bin/python3 -B "$support/run_tests.py" --build "$root/$folder" --extent "$extent" --pattern "$pattern"
