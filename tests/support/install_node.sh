#!/usr/bin/env bash
# install_node.sh: makes sure that node and node-postgres are there, and prints the NODE_PATH to use.
# Debian's node-pg needs Debian's nodejs. Where node comes from somewhere else, the two cannot live together, and the
# package comes through npm into build/node instead.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
modules=$root/build/node/node_modules
debian_modules=/usr/share/nodejs

finds_pg() { command -v node >/dev/null && NODE_PATH=$1 node -e 'require("pg")' 2>/dev/null; }

for path in "$debian_modules" "$modules"; do
  if finds_pg "$path"; then echo "$path"; exit 0; fi
done
if command -v npm >/dev/null; then
  mkdir -p "$root/build/node"
  if npm install --silent --no-audit --no-fund --no-save --no-package-lock --prefix "$root/build/node" pg@8.11.3 >&2 &&
     finds_pg "$modules"; then echo "$modules"; exit 0; fi
  echo "crossfade: npm could not install pg" >&2
  exit 1
fi
"$here/install_packages.sh" node >&2
if finds_pg "$debian_modules"; then echo "$debian_modules"; exit 0; fi
echo "crossfade: node-pg is installed and node does not find it in $debian_modules" >&2
exit 1
