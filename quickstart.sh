#!/usr/bin/env bash
# Installs what Crossfade needs on Debian 12, builds a release and runs its demo. Arguments go to `crossfade demo`
# (--hold keeps everything running). Run it as often as you like: what is there is not done again.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
support=$root/tests/support

"$support/install_packages.sh" build run
echo "building a release into build/release (a few minutes the first time)" >&2
"$support/build.sh" build/release proxy/crossfade --buildtype=release
exec "$root/build/release/proxy/crossfade" demo "$@"
