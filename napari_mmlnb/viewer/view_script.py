"""What a reader does with a slide, written down: pans over the tissue at every magnification, and zooms in and out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from napari_mmlnb.viewer.camera import BACK_OFF, MAGNIFICATIONS, UM_PER_PX_AT_1X

if TYPE_CHECKING:
    from napari_mmlnb.slides.slide import Slide
    from napari_mmlnb.slides.tissue import TissueMask

SPOTS = 3
PAN_STEPS = 16
PAN_SHARE = 0.08
"""Of the canvas's height, a step: about what a hand drags in a thirtieth of a second."""
WHEEL = 1.1
"""Napari's zoom by one notch of the wheel."""
SEED = 5


@dataclass(frozen=True)
class CameraStep:
    """Where the camera goes next.

    Parameters
    ----------
    y, x : float
        Centre of the view, micrometres on the slide.
    um_per_px : float
        Micrometres a screen pixel.
    """

    y: float
    x: float
    um_per_px: float


@dataclass(frozen=True)
class ViewScript:
    """Steps of the camera, taken one after the other as fast as the screen follows, at most thirty a second.

    Parameters
    ----------
    steps : tuple of CameraStep
        All of them.
    """

    steps: tuple[CameraStep, ...]

    def to_json(self) -> str:
        """As text, so that another process can play the same."""
        return json.dumps([asdict(step) for step in self.steps])

    @classmethod
    def from_json(cls, text: str) -> ViewScript:
        """From the text of `to_json`."""
        return cls(tuple(CameraStep(**step) for step in json.loads(text)))

    @classmethod
    def over(cls, tissue: TissueMask, canvas_px: tuple[int, int]) -> ViewScript:
        """A script over a slide's tissue; the same for the same tissue and canvas.

        Parameters
        ----------
        tissue : TissueMask
            Where it is worth looking.
        canvas_px : tuple of int
            Height and width of the canvas.
        """
        rng = np.random.default_rng(SEED)
        steps: list[CameraStep] = []
        for spot in _spots(tissue, rng):
            for times in MAGNIFICATIONS:
                steps += _pan(spot, UM_PER_PX_AT_1X / times / BACK_OFF, PAN_SHARE * canvas_px[0], rng)
            steps += _zoom(spot)
        return cls(tuple(steps))


def fresh_views(slide: Slide, um_per_px: float, canvas_px: tuple[int, int]) -> tuple[CameraStep, ...]:
    """Views side by side over the whole slide, row by row: nothing is seen twice."""
    extent = slide.grids[0].region
    height, width = canvas_px[0] * um_per_px, canvas_px[1] * um_per_px
    return tuple(
        CameraStep(float(y), float(x), um_per_px)
        for y in np.arange(height / 2, max(extent.height, height), height)
        for x in np.arange(width / 2, max(extent.width, width), width)
    )


def _spots(tissue: TissueMask, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Places deep in the tissue, micrometres."""
    depth = cv2.distanceTransform(tissue.mask.astype(np.uint8), cv2.DIST_L2, 3)
    deep = np.argwhere(depth >= 0.5 * depth.max()) if tissue.mask.any() else np.argwhere(depth >= 0)
    chosen = deep[rng.choice(len(deep), SPOTS, replace=len(deep) < SPOTS)]
    return [tuple(float(v) for v in tissue.grid.to_um(cell + 0.5)) for cell in chosen]


def _pan(
    spot: tuple[float, float], um_per_px: float, stride_px: float, rng: np.random.Generator
) -> Iterator[CameraStep]:
    """Jump to the spot, and wander from it with a slowly turning hand."""
    y, x = spot
    angle = rng.uniform(0, 2 * np.pi)
    yield CameraStep(y, x, um_per_px)
    for _ in range(PAN_STEPS):
        angle += rng.normal(0, 0.3)
        y += np.sin(angle) * stride_px * um_per_px
        x += np.cos(angle) * stride_px * um_per_px
        yield CameraStep(float(y), float(x), um_per_px)


def _zoom(spot: tuple[float, float]) -> Iterator[CameraStep]:
    """From the lowest magnification to the highest, notch by notch, and back."""
    low, high = UM_PER_PX_AT_1X / MAGNIFICATIONS[0], UM_PER_PX_AT_1X / MAGNIFICATIONS[-1]
    notches = int(np.ceil(np.log(low / high) / np.log(WHEEL)))
    scales = [low / WHEEL**notch for notch in range(notches + 1)]
    for scale in (*scales, *reversed(scales)):
        yield CameraStep(*spot, scale)
