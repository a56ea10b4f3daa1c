#!/usr/bin/env bash
# What a virtual screen and Qt need from the system. Installed where they are missing and we may (root on Debian or its
# kin), else named in one line. Never fails: without them everything but the viewer still works.
set -u

packages=(
    xvfb libgl1-mesa-dri libgl1 libegl1 libxcb-cursor0 libxkbcommon-x11-0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1
    libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-xkb1 libdbus-1-3 libfontconfig1
    poppler-utils
)

[[ $(uname -s) == Linux ]] || exit 0
if ! command -v dpkg-query >/dev/null; then
    command -v Xvfb >/dev/null || echo "For a virtual screen, install what your system calls: ${packages[*]}"
    exit 0
fi

"$(dirname "${BASH_SOURCE[0]}")/find-python.sh" | grep -q . || packages+=(python3 python3-venv)

missing=()
for package in "${packages[@]}"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed* ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
    echo "Installing system libraries: ${missing[*]}"
    if apt-get -qq update </dev/null >/dev/null &&
        DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}" </dev/null >/dev/null; then
        exit 0
    fi
fi
echo "Missing system libraries; install them with: sudo apt-get install ${missing[*]}"
