"""How long a person waits for the first attention on the screen, from the click on Classify in the real window.

Run: python benchmarks/first_attention.py SLIDE [--rounds 3] [--json OUT]

Needs a display (`xvfb-run -s "-screen 0 1600x1200x24"` will do). Each round is a new process with no features kept. It
opens the window as `mmlnb view` does and clicks as soon as the button can be clicked: "at once", while the engine is
still being made ready in the background; or it waits until that is ready, as a person does who looks at the slide
first; or it clicks at once on a machine that has measured the runtimes before ("known"), as in every start but the
first. Then it clicks once more, with everything in memory, after forgetting the slide. Printed are the seconds from the
click until the heatmap's layer holds the first tiles' map (of a slide that looks foreign to the model it comes at the
same time, without its attention), beside the bound of 5 s, and the processor seconds of all threads until then; how
long after the window's first appearance the engine was ready; and for how long the window did not answer meanwhile, at
worst.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_mmlnb.result import RunMaps, TileState
from napari_mmlnb.viewer.launch import open_workspace
from napari_mmlnb.viewer.workspace import Workspace

BOUND_S = 5.0
LIMIT_S = 540.0
HEARTBEAT_MS = 5
AT_ONCE, READY, KNOWN = WAYS = ("at once", "ready", "at once, known")


def main() -> None:
    """Run the rounds and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one_round(options.slide, wait=options.one == READY)))
        return
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder)
        for _ in range(options.rounds):
            for way in WAYS:
                rounds.append({"clicked": way, **new_window(options.slide, way, known)})
                print(rounds[-1], flush=True)
    for way in WAYS:
        seconds = [one["first_attention_s"] for one in rounds if one["clicked"] == way]
        print(f"clicked {way}: first attention after {np.median(seconds):.2f} s (median; bound {BOUND_S:g})")
    again = [one["second_click_s"] for one in rounds]
    print(f"clicked again: {np.median(again):.2f} s")
    if options.json:
        options.json.write_text(json.dumps(rounds, indent=2) + "\n")


def new_window(slide: Path, way: str, known: Path) -> dict[str, float]:
    """One round in a process and cache folder of its own; what is known of the machine is left in `known`."""
    with tempfile.TemporaryDirectory() as caches:
        runtimes = Path(caches) / "napari-mmlnb" / "runtimes"
        if way == KNOWN:
            shutil.copytree(known, runtimes)
        command = [sys.executable, __file__, str(slide), "--one", way]
        environment = {**os.environ, "XDG_CACHE_HOME": caches}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        shutil.copytree(runtimes, known, dirs_exist_ok=True)
    return json.loads(done.stdout.splitlines()[-1])


def one_round(slide: Path, *, wait: bool) -> dict[str, float]:
    """One window, in this process."""
    viewer = open_workspace(slide)
    shown = time.perf_counter()
    workspace = viewer.window._qt_window.findChild(Workspace)
    heart = Heartbeat()
    until(workspace.run_box.classify_button.isEnabled)
    enabled = time.perf_counter() - shown
    if wait:
        until(lambda: not workspace.preparing)
    ready = time.perf_counter() - shown
    first, first_cpu = first_attention(workspace)
    block = heart.worst_s
    forget(workspace)
    second, second_cpu = first_attention(workspace)
    viewer.close()
    return {
        "button_after_s": round(enabled, 2),
        "ready_after_s": round(ready, 2) if wait else float("nan"),
        "first_attention_s": round(first, 2),
        "first_attention_cpu_s": round(first_cpu, 2),
        "second_click_s": round(second, 2),
        "second_click_cpu_s": round(second_cpu, 2),
        "window_did_not_answer_s": round(block, 3),
    }


def first_attention(workspace: Workspace) -> tuple[float, float]:
    """Click, wait for the map, cancel; wall and processor seconds."""
    started, worked = time.perf_counter(), time.process_time()
    drawn: list[tuple[float, float]] = []

    def look(maps: RunMaps) -> None:
        if (maps.state == TileState.USED).any():
            drawn.append((time.perf_counter() - started, time.process_time() - worked))

    workspace.run.maps_changed.connect(look)  # after the workspace, which has painted it by then
    workspace.run_box.classify_button.click()
    until(lambda: bool(drawn) or not workspace.run_box.cancel_button.isEnabled())
    workspace.run.maps_changed.disconnect(look)
    if not drawn:
        raise RuntimeError(workspace.run_box.error.text() or "the run ended without a map")
    workspace.run_box.cancel_button.click()
    until(workspace.run_box.classify_button.isEnabled)
    return drawn[0]


def forget(workspace: Workspace) -> None:
    """What the run before has left of the slide, on disk and in memory."""
    workspace.shelf.session.slide.findings.clear()
    for kind in ("features", "overviews"):
        shutil.rmtree(Path(os.environ["XDG_CACHE_HOME"]) / "napari-mmlnb" / kind)


def until(holds: Callable[[], bool]) -> None:
    """Let the window live until something holds."""
    end = time.perf_counter() + LIMIT_S
    while not holds():
        if time.perf_counter() > end:
            raise TimeoutError("the window did not get there")
        QTest.qWait(10)


class Heartbeat:
    """The longest time for which the window did not answer."""

    def __init__(self) -> None:
        self.worst_s = 0.0
        self._last = time.perf_counter()
        self._timer = QTimer(QApplication.instance())
        self._timer.timeout.connect(self._beat)
        self._timer.start(HEARTBEAT_MS)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.worst_s = max(self.worst_s, now - self._last)
        self._last = now


if __name__ == "__main__":
    main()
