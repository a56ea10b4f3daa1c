#!/usr/bin/env bash
# Prints the first Python of at least 3.11 on PATH that can make a virtual environment; nothing where there is none.
set -u
for name in python3 python3.13 python3.12 python3.11 python3.14 python; do
    if "$name" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        command -v "$name"
        exit 0
    fi
done
