"""A describer at work in a thread of its own: what it says as it says it, an end to waiting, and a way out."""

from __future__ import annotations

import logging
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from napari_mmlnb.describe.base import Describer, EvidenceTile, TileDescription
from napari_mmlnb.errors import MmlnbError, RunCancelledError

_LOG = logging.getLogger(__name__)

PATIENCE = 1.5
"""How much longer than its own limit a describer is waited for, which should have ended by itself."""
LOADING_S = 300.0
"""What a model in this process may take to be read, known by its digest and loaded, before its first tile."""
_LOOK_S = 0.05


class DescriberSilentError(MmlnbError):
    """A describer gave no answer in time."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(f"{name} gave no answer within {seconds:g} s.")


@dataclass(frozen=True)
class _End:
    error: Exception | None = None


def follow_describer(
    describer: Describer, tiles: Sequence[EvidenceTile], seconds: float, cancelled: Callable[[], bool]
) -> Iterator[TileDescription]:
    """What a describer says, without ever being held up by it.

    The describer is asked in a thread. Whoever stops following, is cancelled, or has waited long enough leaves it
    behind: it is told to end at the next thing it says, and what it says then is not heard.

    However it ends, the thread closes the describer before the end is told: the next slide finds the memory free. No
    model stays loaded between runs; a bundle's own small one is there again in a moment.

    Parameters
    ----------
    describer : Describer
        That describes; closed at the end.
    tiles : sequence of EvidenceTile
        What.
    seconds : float
        A tile, as the describer was told; it is waited for a little longer than that.
    cancelled : callable
        Asked many times a second.

    Raises
    ------
    RunCancelledError
        When `cancelled` says so.
    DescriberSilentError
        When no tile was finished for too long.
    Exception
        Whatever the describer raises.
    """
    said: queue.SimpleQueue[TileDescription | _End] = queue.SimpleQueue()
    left = threading.Event()
    threading.Thread(target=_work, args=(describer, tiles, said, left), name="mmlnb-describe", daemon=True).start()
    waits = seconds * PATIENCE
    until = time.monotonic() + waits + (0.0 if describer.facts.sends_to else LOADING_S)
    try:
        while True:
            if cancelled():
                raise RunCancelledError
            try:
                news = said.get(timeout=_LOOK_S)
            except queue.Empty:
                if time.monotonic() > until:
                    raise DescriberSilentError(describer.facts.name, seconds) from None
                continue
            if isinstance(news, _End):
                if news.error is not None:
                    raise news.error
                return
            if news.complete:
                until = time.monotonic() + waits
            yield news
    finally:
        left.set()


def _work(
    describer: Describer,
    tiles: Sequence[EvidenceTile],
    said: queue.SimpleQueue[TileDescription | _End],
    left: threading.Event,
) -> None:
    """Ask, and pass on; closing the iterator lets the describer clean up where it stands, before it is closed."""
    error: Exception | None = None
    try:
        descriptions = describer.describe(tiles)
        try:
            for description in descriptions:
                if left.is_set():
                    break
                said.put(description)
        finally:
            close = getattr(descriptions, "close", None)
            if close is not None:
                close()
    except Exception as problem:  # whatever it is, it must not end the run
        error = _without_frames(problem)
    try:
        describer.close()
    except Exception:  # what was said stands
        _LOG.warning("%s cannot be closed", describer.facts.name, exc_info=True)
    said.put(_End(error))


def _without_frames(error: Exception | None) -> Exception | None:
    """An error without the frames that it came through, and the same for what led to it: they would hold the model."""
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause = cause.__cause__ or cause.__context__
    return error
