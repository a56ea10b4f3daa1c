"""How a slide feels in a real window, against napari-wsi on the same slide, with the same script in the same canvas.

Run: python benchmarks/view.py SLIDE [--peer FOLDER] [--rounds 5] [--json OUT]

Needs a display of at least 1920 x 1000 pixels (`xvfb-run -s "-screen 0 1920x1200x24"` will do). The peer lies in a
folder of its own, so that nothing of this environment changes:

    pip install --target FOLDER --no-deps napari-wsi==1.3.0 universal-pathlib pathlib-abc

Each round is a process for us and one for the peer, one after the other. The medians over the rounds are printed,
their ratio, and the bound of the project's goals: first painted frame at most 0.4 of the peer's time, 95th percentile
of the slice reads at most an eighth, longest block of the GUI thread at most a quarter; resident memory over an idle
napari at most the limit of the cache and 200 MB, with the cache full and evicting. The machine must be quiet: whatever
else runs is measured too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from qtpy.QtWidgets import QWidget

from napari_mmlnb.viewer.bench_view import Subject, measure_view, script_for
from napari_mmlnb.viewer.view_script import ViewScript

WIDTH_PX = 390
"""Of our dock."""

BOUNDS = {
    "first_frame_s": 0.4,
    "first_frame_cold_s": 0.4,
    "slice_read_ms_p95": 1 / 8,
    "gui_block_ms_max": 1 / 4,
}
"""Largest share of the peer's figure."""
MEMORY_OVER_CACHE_MB = 200.0


class NapariWsi(Subject):
    """The peer, through its reader. Its world is level-0 pixels.

    It gets an empty dock where we have ours: a window of the same size costs the same to paint.
    """

    def __init__(self, viewer) -> None:
        self.viewer = viewer
        dock = QWidget()
        dock.setFixedWidth(WIDTH_PX)
        viewer.window.add_dock_widget(dock, area="right")
        self.failed = ""
        self.mpp = 1.0

    def open(self, path: Path, on_failure) -> None:  # noqa: ARG002 - it raises
        """Open a slide, at once."""
        (layer,) = self.viewer.open(path, plugin="napari-wsi")
        self.mpp = float(layer.metadata["resolution"][0])

    def um_per_world(self) -> float:
        """Micrometres of a level-0 pixel."""
        return self.mpp

    def fill(self, play) -> float:  # noqa: ARG002
        """It keeps no tiles of its own."""
        return 0.0


SUBJECTS = {"ours": Subject, "peer": NapariWsi}


def measured(name: str, slide: Path, script: Path, peer: Path | None) -> dict[str, float]:
    """The figures of one process."""
    command = [sys.executable, __file__, str(slide), "--subject", name, "--script", str(script)]
    path = os.pathsep.join([*([str(peer)] if name == "peer" else []), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the process of {name} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", type=Path)
    parser.add_argument("--peer", type=Path, help="folder with napari-wsi; without it only we are measured")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write every round's figures there")
    parser.add_argument("--subject", choices=SUBJECTS, help="(one process: who is measured)")
    parser.add_argument("--script", type=Path, help="(one process: what is played)")
    options = parser.parse_args()
    if options.subject:
        script = ViewScript.from_json(options.script.read_text())
        figures = measure_view(options.slide, subject=SUBJECTS[options.subject], script=script)
        print(json.dumps(asdict(figures)))
        return
    names = ["ours", "peer"] if options.peer else ["ours"]
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.json"
        script.write_text(script_for(options.slide).to_json())
        for number in range(options.rounds):
            for name in names:
                rounds[name].append(measured(name, options.slide, script, options.peer))
                print(f"round {number + 1} {name}: {json.dumps(rounds[name][-1])}", file=sys.stderr, flush=True)
    report(rounds)
    if options.json:
        options.json.write_text(json.dumps(rounds, indent=2))


def report(rounds: dict[str, list[dict[str, float]]]) -> None:
    """Print medians, ratios and bounds."""
    medians = {
        name: {figure: statistics.median(each[figure] for each in runs) for figure in runs[0]}
        for name, runs in rounds.items()
    }
    ours, peer = medians["ours"], medians.get("peer")
    print(f"{'median of ' + str(len(rounds['ours'])):22}{'ours':>10}{'napari-wsi':>12}{'ratio':>8}{'bound':>8}")
    for figure, value in ours.items():
        line = f"{figure:22}{value:10.3f}"
        if peer is not None:
            ratio = value / peer[figure] if peer[figure] else float("nan")
            bound = BOUNDS.get(figure)
            line += f"{peer[figure]:12.3f}{ratio:8.3f}" + (
                f"{bound:8.3f} {'met' if ratio <= bound else 'MISSED'}" if bound else ""
            )
        print(line)
    limit = ours["cache_limit_mb"] + MEMORY_OVER_CACHE_MB
    print(
        f"memory over an idle napari {ours['rss_mb']:.0f} MB, bound {limit:.0f} MB, "
        f"{'met' if ours['rss_mb'] <= limit else 'MISSED'}"
    )


if __name__ == "__main__":
    main()
