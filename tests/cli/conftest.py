"""The command line as a person meets it: a process with two streams and an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_mmlnb.cli import main as cli


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Mmlnb = Callable[..., Ended]


@pytest.fixture
def mmlnb(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Mmlnb:
    """Run ``mmlnb`` in this process, which spares importing torch each time; what native code prints counts too."""
    monkeypatch.setattr(cli, "_log_folder", lambda: tmp_path / "log")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    def run(*arguments: object) -> Ended:
        capfd.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def mmlnb_process() -> Mmlnb:
    """Run ``mmlnb`` as a person does, in a process of its own without a display."""

    def run(*arguments: object) -> Ended:
        environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
        done = subprocess.run(
            [sys.executable, "-m", "napari_mmlnb.cli.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=600,
            env=environment,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def phantom_slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic slide of the differentiating subtype."""
    from napari_mmlnb.phantom.slide import write_phantom

    path = tmp_path_factory.mktemp("phantom") / "small.tiff"
    write_phantom(path, subtype="d", seed=77_001, size=(1024, 1024))
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


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle with random weights, which answers whatever its chances."""
    from tests.bundle_factory import make_bundle

    return make_bundle(tmp_path_factory.mktemp("bundles") / "untrained").folder
