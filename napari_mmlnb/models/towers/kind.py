"""A tower by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Build = TypeVar("Build", bound=Callable[..., object])


@dataclass(frozen=True)
class TowerKind(Generic[Build]):
    """What a registry of towers holds.

    Parameters
    ----------
    name : str
        As the configuration names it.
    build : callable
        Makes one with random weights.
    """

    name: str
    build: Build
