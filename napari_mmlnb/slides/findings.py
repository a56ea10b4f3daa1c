"""What was found out about an open slide and is wanted again: kept as long as the slide is open, and no longer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Findings:
    """A few things by name, one of a kind: what is put under a kind takes the place of what was there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[Hashable, Any]] = {}

    def get(self, kind: str, key: Hashable) -> Any | None:
        """What is kept of this kind, if it is the one that is asked for."""
        with self._lock:
            kept = self._kept.get(kind)
        return kept[1] if kept is not None and kept[0] == key else None

    def put(self, kind: str, key: Hashable, value: object) -> None:
        """Keep something."""
        with self._lock:
            self._kept[kind] = (key, value)

    def once(self, kind: str, key: Hashable, find: Callable[[], T]) -> T:
        """What is kept; found out first where it is not (by each of several callers, if they come at once)."""
        kept: T | None = self.get(kind, key)
        if kept is None:
            kept = find()
            self.put(kind, key, kept)
        return kept

    def drop(self, kind: str) -> None:
        """Forget one thing."""
        with self._lock:
            self._kept.pop(kind, None)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()
