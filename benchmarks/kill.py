"""Whether a run that is killed without warning goes on where it was, and says the same to the last bit.

Run: python benchmarks/kill.py [--kills 20] [--seed 0] [--work DIR] [--minutes M] [--slide SLIDE [--roi FILE]]

`mmlnb classify` runs once to its end, with an empty feature cache. Then, as often as asked, it is started with an empty
cache, killed with SIGKILL at a moment drawn at random between its start and the time that the whole run took, and
started again to the end. Every one of the resumed runs must

- give the same `result.json`, bit for bit but for `run_id`, `created`, `timings`, and the digests of the files in which
  these stand; written once more with those three made equal, all files must be the same, byte for byte;
- have taken from the cache (`timings.tiles_from_cache`) all that had been encoded but one chunk at most;
- find the output folder whole, or not there.

A line a kill is printed, then the verdict; the exit code is 1 where it is bad. The default slide is a phantom that is
made first. With `--work` what is done is kept in a folder, so that `--minutes` can end the script early and the next
call goes on. The child is the program as it is, but that its progress goes to a file and its files are written twice.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_mmlnb.cli import main as cli
from napari_mmlnb.cli import work
from napari_mmlnb.inference.feature_cache import CHUNK_TILES
from napari_mmlnb.phantom.slide import write_phantom
from napari_mmlnb.report import outputs

if TYPE_CHECKING:
    from napari_mmlnb.inference.settings import RunUpdate
    from napari_mmlnb.result import Review, RunResult

PHANTOM_SEED, PHANTOM_PX = 930_002, (6144, 4096)
DIFFERS = ("run_id", "created", "timings")
CARRIES_THEM = ("report.pdf", "regions.geojson", "attention.ome.tif")
LONGEST_S = 540.0


@dataclass(frozen=True)
class Run:
    """How a child ended.

    Parameters
    ----------
    seconds : float
        How long it lived.
    stage : str
        The last that it told; empty where it had not come so far.
    encoded : int
        Tiles with features, those of the cache included.
    ended : bool
        Whether it came to its end by itself.
    """

    seconds: float
    stage: str
    encoded: int
    ended: bool


@dataclass(frozen=True)
class Trial:
    """One kill, and the run that went on after it.

    Parameters
    ----------
    kept, lost : int
        Tiles that the resumed run found in the cache; tiles that had been encoded and were not there.
    faults : tuple of str
        What was not as it should be.
    """

    number: int
    killed_after_s: float
    stage: str
    encoded: int
    kept: int
    lost: int
    faults: tuple[str, ...]


def child(slide: str, out: str, progress: str, roi: str | None) -> int:
    """The program, with its progress told to a file and its files written a second time under one name and date."""
    follow, write = work.follow, outputs.write_outputs

    def told(updates: Iterator[RunUpdate]) -> Iterator[RunUpdate]:
        with Path(progress).open("w") as file:
            for update in updates:
                print(update.stage, update.done, file=file, flush=True)
                yield update

    def write_twice(result: RunResult, folder: Path, review: Review | None = None) -> RunResult:
        same = {"run_id": "0" * 32, "created": datetime(2000, 1, 1, tzinfo=UTC), "timings": {}}
        write(result.model_copy(update=same).with_maps(result.maps), folder.with_name(f"{folder.name}-same"))
        return write(result, folder, review)

    work.follow = lambda updates: follow(told(updates))  # type: ignore[assignment]
    outputs.write_outputs = write_twice
    return cli.run(["classify", slide, "--out", out, *(["--roi", roi] if roi else [])])


def run_child(folder: Path, cache: Path, slide: Path, roi: Path | None, kill_after: float | None = None) -> Run:
    """Start the program, and kill it after a time where one is given."""
    folder.mkdir(parents=True, exist_ok=True)
    progress = folder / "progress.txt"
    progress.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--child", str(slide), str(folder / "out"), str(progress), str(roi or "")]
    started = time.perf_counter()
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "XDG_CACHE_HOME": str(cache)})
        try:
            code: int | None = process.wait(LONGEST_S if kill_after is None else kill_after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            code = None
    seconds = time.perf_counter() - started
    if code not in (0, None) or (code is None and kill_after is None):
        raise RuntimeError(f"the program ended with {code}:\n{(folder / 'log.txt').read_text()}")
    told = progress.read_text().splitlines() if progress.exists() else []
    # A line that was cut off by the kill has no number yet; the stages after encoding count no tiles.
    steps = [line.split(" ") for line in told if line.count(" ") == 1 and line.split(" ")[1]]
    encoded = max((int(done) for stage, done in steps if stage in ("encode", "done")), default=0)
    return Run(seconds, steps[-1][0] if steps else "", encoded, code is not None)


def record_of(out: Path) -> dict[str, object]:
    """`result.json` without what may differ."""
    record: dict[str, object] = json.loads((out / "result.json").read_text())
    for name in DIFFERS:
        del record[name]
    outputs = record["outputs"]
    assert isinstance(outputs, dict)
    record["outputs"] = {name: digest for name, digest in outputs.items() if name not in CARRIES_THEM}
    return record


def faults_of(reference: Path, resumed: Path, killed: Run, tiles_from_cache: int) -> Iterator[str]:
    """What a resumed run did not keep to."""
    one, other = record_of(reference / "out"), record_of(resumed / "out")
    if json.dumps(one) != json.dumps(other):
        yield f"result.json differs in {', '.join(name for name in one if one[name] != other.get(name))}"
    names = {path.name for path in (reference / "out-same").iterdir()}
    if {path.name for path in (resumed / "out-same").iterdir()} != names:
        yield "other files"
    for name in sorted(names):
        if (reference / "out-same" / name).read_bytes() != (resumed / "out-same" / name).read_bytes():
            yield f"{name} differs"
    if killed.encoded - tiles_from_cache > CHUNK_TILES:
        yield f"{killed.encoded - tiles_from_cache} tiles lost"
    if tiles_from_cache and not killed.encoded:
        yield "tiles came from nowhere"


def one_trial(number: int, moment: float, place: Path, slide: Path, roi: Path | None) -> Trial | float:
    """Kill, and go on; the seconds that the whole run took where it had ended before it could be killed."""
    folder = place / f"trial-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    cache = folder / "cache"
    killed = run_child(folder, cache, slide, roi, moment)
    if killed.ended:
        return killed.seconds
    left = {path.name for path in (folder / "out").iterdir()} if (folder / "out").exists() else set()
    whole = not left or left == {path.name for path in (place / "reference" / "out").iterdir()}
    run_child(folder, cache, slide, roi)
    kept = int(json.loads((folder / "out" / "result.json").read_text())["timings"]["tiles_from_cache"])
    faults = tuple(faults_of(place / "reference", folder, killed, kept))
    return Trial(
        number=number,
        killed_after_s=round(killed.seconds, 2),
        stage=killed.stage or "start",
        encoded=killed.encoded,
        kept=kept,
        lost=max(killed.encoded - kept, 0),
        faults=faults if whole else (*faults, "a part of the output folder was left"),
    )


def reference_run(place: Path, slide: Path, roi: Path | None) -> float:
    """The run that nobody interrupts; gives its seconds, also when it was made by an earlier call."""
    note = place / "reference.json"
    if not note.exists():
        done = run_child(place / "reference", place / "reference" / "cache", slide, roi)
        note.write_text(json.dumps({"seconds": done.seconds, "tiles": done.encoded}))
    known = json.loads(note.read_text())
    print(f"The whole run: {known['seconds']:.1f} s, {known['tiles']} tiles, chunks of {CHUNK_TILES}.", flush=True)
    return float(known["seconds"])


def make_phantom(path: Path) -> Path:
    """The default slide."""
    if not path.exists():
        write_phantom(path, subtype="d", seed=PHANTOM_SEED, size=PHANTOM_PX)
    return path


def told_line(trial: Trial) -> str:
    """A line of the table."""
    verdict = "; ".join(trial.faults) or "same"
    return (
        f"{trial.number:4d}   {trial.killed_after_s:8.2f} s   {trial.stage:9s} {trial.encoded:6d} {trial.kept:6d} "
        f"{trial.lost:6d}   {verdict}"
    )


def go_on(args: argparse.Namespace, place: Path, enough: Callable[[], bool]) -> list[Trial]:
    """All trials, those of earlier calls first."""
    slide = args.slide or make_phantom(place / "phantom.tiff")
    whole = reference_run(place, slide, args.roi)
    done_file = place / "trials.jsonl"
    lines = done_file.read_text().splitlines() if done_file.exists() else []
    trials = [Trial(**{**json.loads(line), "faults": tuple(json.loads(line)["faults"])}) for line in lines]
    print("kill   killed after  stage    encoded   kept   lost   the resumed run")
    for trial in trials:
        print(told_line(trial), flush=True)
    while len(trials) < args.kills and not enough():
        draw = np.random.default_rng((args.seed, len(trials)))
        trial: Trial | float = whole
        while isinstance(trial, float):  # the machine may be faster now than it was, and end before the kill
            whole = min(whole, trial)
            trial = one_trial(len(trials), float(draw.uniform(0, whole)), place, slide, args.roi)
        trials.append(trial)
        with done_file.open("a") as file:
            file.write(json.dumps(asdict(trial)) + "\n")
        print(told_line(trial), flush=True)
    return trials


def verdict_of(trials: list[Trial], wanted: int) -> bool:
    """Print what all came to; whether it is good."""
    same = sum(not trial.faults for trial in trials)
    resumed = sum(trial.kept > 0 for trial in trials)
    lost = max((trial.lost for trial in trials), default=0)
    print(f"{same} of {len(trials)} resumed runs gave the same result, bit for bit (bound {wanted} of {wanted}).")
    print(f"{resumed} took tiles from the cache; the others were killed before any were written.")
    print(f"Most tiles lost by a kill: {lost} (bound {CHUNK_TILES}, one chunk).")
    good = same == len(trials) == wanted and lost <= CHUNK_TILES and resumed > 0
    print("MET" if good else "NOT MET" if len(trials) == wanted else f"NOT DONE: {wanted - len(trials)} kills to go")
    return good


def main() -> int:
    """Parse the arguments, kill, compare, print."""
    if sys.argv[1:2] == ["--child"]:
        slide, out, progress, roi = sys.argv[2:6]
        return child(slide, out, progress, roi or None)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slide", type=Path, help="classify this one instead of a phantom")
    parser.add_argument("--roi", type=Path, help="only inside these polygons (GeoJSON)")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--work", type=Path, help="keep what is done here, and go on with it")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no kill after so long")
    parser.add_argument("--json", type=Path, help="where to put the figures")
    args = parser.parse_args()
    until = time.monotonic() + 60 * args.minutes
    with tempfile.TemporaryDirectory(prefix="mmlnb-kill-") as temporary:
        place = args.work or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        trials = go_on(args, place, lambda: time.monotonic() > until)
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(trial) for trial in trials], indent=2) + "\n")
    return 0 if verdict_of(trials, args.kills) else 1


if __name__ == "__main__":
    sys.exit(main())
