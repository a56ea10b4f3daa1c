"""What a first click would wait for is there before it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from napari_mmlnb.inference.readiness import get_ready
get_ready("nb-phantom")
before = set(sys.modules)
from napari_mmlnb.bundles.kept import kept_bundle
from napari_mmlnb.inference.generated import shown_describer
from napari_mmlnb.inference.settings import RunSettings
shown = shown_describer(kept_bundle("nb-phantom"), RunSettings(), "cpu")
assert shown is not None and shown.describer is not None, shown
print(sorted(name for name in set(sys.modules) - before if name.partition(".")[0] in {"torch", "transformers", "timm"}))
"""


def test_no_library_is_left_to_be_loaded_for_the_bundle_s_own_describing_model() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
