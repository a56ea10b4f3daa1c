"""When a run may end before all tiles are read: the class is stable to a stated level.

Stable means: at `LOOKS` successive looks the same class leads, and at each of them its lead over every other class is
positive with at least that probability (`RunEstimate.stability`). Looks come at fixed numbers of tiles of the fair
order, not at moments, and the answer is that of the tiles up to the last look: so it is the same on a slow machine and
a fast one, for any batch, and whatever was kept from earlier runs.
"""

from __future__ import annotations

from dataclasses import dataclass

from napari_mmlnb.inference.estimate import RunEstimate

LOOKS = 3
LEAST_TILES = 64
_LEAST_STEP = 16
_STEPS = 40


@dataclass(frozen=True)
class Lead:
    """Which class led how often in a row."""

    class_id: str = ""
    looks: int = 0


class EarlyStop:
    """Watches one run.

    Parameters
    ----------
    level : float
        0.5 to 1, how sure the leading class must be to stay ahead.
    total : int
        Tiles of the slide.
    """

    def __init__(self, level: float, total: int) -> None:
        self._level = level
        self._total = total
        self._step = max(_LEAST_STEP, -(-total // _STEPS))
        self._lead = Lead()
        self.next_look = max(LEAST_TILES, self._step)
        """Tiles of the fair order after which it wants to look again."""

    def due(self, reached: int) -> bool:
        """Whether so many tiles of the fair order are enough for the next look; never for all of them."""
        return self.next_look <= reached and self.next_look < self._total

    def look(self, seen: RunEstimate | None) -> bool:
        """Take in what the tiles up to the next look say (None: nothing that may be shown); whether to stop there."""
        if seen is None or seen.stability < self._level:
            self._lead = Lead()
        elif seen.leading == self._lead.class_id:
            self._lead = Lead(seen.leading, self._lead.looks + 1)
        else:
            self._lead = Lead(seen.leading, 1)
        stable = self._lead.looks >= LOOKS
        if not stable:
            self.next_look += self._step
        return stable
