#!/usr/bin/env bash
# with-screen.sh COMMAND...: run it on the display that there is, else on a virtual one, else without the viewer's tests.
set -euo pipefail

if [[ -n ${DISPLAY:-} || -n ${WAYLAND_DISPLAY:-} || $(uname -s) != Linux ]]; then
    exec "$@"
fi
if command -v xvfb-run >/dev/null; then
    exec xvfb-run --auto-servernum --server-args="-screen 0 1600x1200x24" "$@"
fi
echo "No display and no xvfb-run: the viewer's tests are left out. scripts/system-libraries.sh says what is missing." >&2
export PYTEST_ADDOPTS="${PYTEST_ADDOPTS:-} --ignore=tests/gui"
exec "$@"
