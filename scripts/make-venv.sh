#!/usr/bin/env bash
# make-venv.sh FOLDER PYTHON EXTRAS: a virtual environment with this package, editable, and its extras.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$1 python=$2 extras=$3

if [[ ! -x $folder/bin/python ]]; then
    if [[ -z $python ]]; then
        echo "Python 3.11 or newer with the venv module is needed (Debian: python3-venv); none was found." >&2
        exit 1
    fi
    echo "Making a virtual environment in $folder with $python"
    "$python" -m venv "$folder"
fi
echo "Installing napari-mmlnb[$extras] into $folder; the first time takes some minutes"
# torch and torchvision are resolved together here: installing either by itself can pair versions that do not match.
"$folder/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --editable ".[$extras]"
