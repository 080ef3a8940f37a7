#!/usr/bin/env bash
# install_drivers.sh: makes sure that what the programs of tests/integration/programs need is there: Debian's packages of
# the group "drivers", a Java compiler unless there is one, and postgres.js, which only npm has. Prints the folder of
# postgres.js, or nothing where there is no npm.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
modules=$root/build/node/node_modules

"$here/install_packages.sh" drivers >&2
command -v javac >/dev/null || "$here/install_packages.sh" java >&2

has_postgres() { NODE_PATH=$modules node -e 'require("postgres")' 2>/dev/null; }
command -v npm >/dev/null || exit 0
if ! has_postgres; then
  mkdir -p "$root/build/node"
  # Both in one go: npm removes what it was not told of.
  npm install --silent --no-audit --no-fund --no-save --no-package-lock --prefix "$root/build/node" pg@8.11.3 postgres@3.4.4 >&2
fi
has_postgres || { echo "crossfade: npm could not install postgres.js" >&2; exit 1; }
echo "$modules"
