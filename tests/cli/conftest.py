"""The command line as a person meets it: a process with two streams and an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

Mmlnb = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def mmlnb(tmp_path: Path) -> Mmlnb:
    """Run ``mmlnb`` with arguments; its log and cache folders lie in the test's own."""

    def run(*arguments: object, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "2",
        }
        environment.pop("DISPLAY", None)
        environment.pop("WAYLAND_DISPLAY", None)
        return subprocess.run(
            [sys.executable, "-m", "napari_mmlnb.cli.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def phantom_slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic slide of the differentiating subtype."""
    from napari_mmlnb.phantom.slide import write_phantom

    path = tmp_path_factory.mktemp("phantom") / "small.tiff"
    write_phantom(path, subtype="d", seed=77_001, size=(1536, 1536))
    return path


@pytest.fixture
def scaleless_slide(tmp_path: Path) -> Path:
    """A readable pyramid whose file does not say how large its pixels are."""
    path = tmp_path / "scaleless.tiff"
    rng = np.random.default_rng(3)
    full = rng.integers(120, 250, (1024, 1024, 3), dtype=np.uint8)
    options = {"tile": (256, 256), "compression": "zlib", "photometric": "rgb"}
    with tifffile.TiffWriter(path) as writer:
        writer.write(full, subifds=0, metadata=None, **options)
        writer.write(full[::2, ::2], subfiletype=1, metadata=None, **options)
    return path
