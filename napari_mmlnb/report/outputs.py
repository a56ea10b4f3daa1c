"""The output folder of a run: written whole or not at all.

Everything is made in a hidden folder beside the target first and moved in at the end. Where the folder exists already,
this program's own files in it are replaced and foreign files are left alone; if anything fails, the folder is as it
was.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import OutputError, RequestError
from napari_mmlnb.report.geojson import geojson_text
from napari_mmlnb.report.heatmap import write_heatmap
from napari_mmlnb.report.pdf import write_pdf
from napari_mmlnb.result import Review, RunMaps, RunResult

RESULT, DIGEST, REVIEW = "result.json", "result.json.sha256", "review.json"
PDF, GEOJSON, HEATMAP, THUMBNAIL = "report.pdf", "regions.geojson", "attention.ome.tif", "thumbnail.png"
OUTPUTS = (PDF, GEOJSON, HEATMAP, THUMBNAIL)
"""The files whose digests `result.json` holds."""


def write_outputs(result: RunResult, out: Path, review: Review | None = None) -> RunResult:
    """Write everything that a run leaves behind.

    Parameters
    ----------
    result : RunResult
        With its `maps`. Nothing is computed again.
    out : Path
        The folder; made, with its parents, where it is missing.
    review : Review or None
        What a person decided. Where None is given and the folder holds a review of this very run, that one is kept and
        printed. A review of another run is never overwritten: it is put aside as `review-<run id>.json`.

    Returns
    -------
    RunResult
        The same, with `outputs` filled: {file: sha256} of the four files beside `result.json`, whose own digest stands
        in `result.json.sha256` as `sha256sum` writes it.

    Raises
    ------
    OutputError
        If the folder cannot be written: read-only, a file in the way, disk full. It is then as it was before.
    RequestError
        If the record has no rasters (it was read from a file).
    """
    maps = result.maps
    if maps is None:
        raise RequestError("This record has no rasters, so its files cannot be written.", "Classify the slide again.")
    out = Path(out)
    with _as_output_error(out):
        earlier = _review_in(out)
        if review is None and earlier is not None and earlier.run_id == result.run_id:
            review = earlier
        with _staging(out) as staging:
            done = _write_all(result, maps, review, staging)
            if earlier is not None and earlier.run_id != result.run_id:
                shutil.copy2(out / REVIEW, staging / f"review-{_plain_name(earlier.run_id)}.json")
            _move_in(staging, out)
    return done


def check_writable(out: Path) -> None:
    """Find out, before the work starts, whether `write_outputs` could write there. Leaves nothing behind.

    Parameters
    ----------
    out : Path
        The folder that is to be written.

    Raises
    ------
    OutputError
        If it, or the nearest folder above it that exists, cannot be written.
    """
    out = Path(out)
    with _as_output_error(out):
        nearest = out
        while not os.path.lexists(nearest):
            nearest = nearest.parent
        if not nearest.is_dir():
            raise OutputError(out, f"{nearest} is not a folder")
        for name in (RESULT, DIGEST, REVIEW, *OUTPUTS):
            if out.is_dir() and (out / name).is_dir():
                raise OutputError(out, f"{name} is a folder there")
        with tempfile.TemporaryDirectory(prefix=".mmlnb-", dir=nearest) as probe:
            (Path(probe) / "probe").write_bytes(b"\0" * 4096)


def _write_all(result: RunResult, maps: RunMaps, review: Review | None, folder: Path) -> RunResult:
    write_pdf(result, folder / PDF, review)
    (folder / GEOJSON).write_text(geojson_text(result), encoding="utf-8")
    write_heatmap(result, folder / HEATMAP)
    Image.fromarray(maps.thumbnail).save(folder / THUMBNAIL)
    done = result.with_outputs({name: file_sha256(folder / name) for name in OUTPUTS})
    (folder / RESULT).write_text(done.to_json(), encoding="utf-8", newline="\n")
    (folder / DIGEST).write_text(f"{file_sha256(folder / RESULT)}  {RESULT}\n", encoding="ascii", newline="\n")
    if review is not None:
        (folder / REVIEW).write_text(review.model_dump_json(indent=2) + "\n", encoding="utf-8", newline="\n")
    return done


def _review_in(out: Path) -> Review | None:
    path = out / REVIEW
    if not path.is_file():
        return None
    try:
        return Review.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise OutputError(out, f"the {REVIEW} that lies there cannot be read, and is not overwritten") from error


def _plain_name(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in text)[:64] or "unknown"


@contextmanager
def _as_output_error(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(out, (error.strerror or str(error)).lower()) from error


@contextmanager
def _staging(out: Path) -> Iterator[Path]:
    """A hidden folder on the same file system, so that moving is renaming; gone afterwards, and made parents with it.

    Beside the target where that is possible, otherwise (the target is a mount, or its parent is read-only) inside it.
    """
    if out.exists() and not out.is_dir():
        raise OutputError(out, "there is a file of that name")
    made = _make_parents(out.parent)
    staging = _hidden_folder(out)
    try:
        yield staging
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    shutil.rmtree(staging, ignore_errors=True)


def _hidden_folder(out: Path) -> Path:
    beside = not out.exists() or out.stat().st_dev == out.parent.stat().st_dev
    if beside:
        try:
            return Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
        except OSError:
            if not out.exists():
                raise
    return Path(tempfile.mkdtemp(prefix=".mmlnb-", suffix=".partial", dir=out))


def _make_parents(parent: Path) -> list[Path]:
    """Make what is missing; answer with it, deepest first."""
    missing = []
    folder = parent
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    parent.mkdir(parents=True, exist_ok=True)
    return missing


def _move_in(staging: Path, out: Path) -> None:
    if not out.exists():
        # mkdtemp makes folders for their owner only; the output shall have the permissions of any new folder.
        fresh = out.with_name(f".{staging.name}.new")
        fresh.mkdir()
        try:
            for path in staging.iterdir():
                path.replace(fresh / path.name)
            fresh.replace(out)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        return
    names = [path.name for path in staging.iterdir()]
    stale = [REVIEW] if any(name.startswith("review-") for name in names) and REVIEW not in names else []
    before = staging / "before"
    before.mkdir()
    undo: list[Callable[[], object]] = []
    try:
        for name in (*names, *stale):
            if os.path.lexists(out / name):
                (out / name).replace(before / name)
                undo.append(lambda name=name: (before / name).replace(out / name))  # type: ignore[misc]
            if name not in stale:
                (staging / name).replace(out / name)
                undo.append((out / name).unlink)
    except BaseException:
        for step in reversed(undo):
            step()
        raise
