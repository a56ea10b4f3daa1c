"""A family of things found by name: encoders, poolings, fusions, systems, describers.

A registry is filled once, where it is made, and never changes afterwards: what can be found does not depend on what
happened to be imported before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from napari_mmlnb.errors import UnknownNameError


class Named(Protocol):
    """Anything that knows its own name."""

    @property
    def name(self) -> str:
        """What it is found by."""
        ...


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """Entries of one family, in the order in which they were given.

    Parameters
    ----------
    kind : str
        What an entry is called in an error message, for example "encoder".
    entries : iterable
        Each with a `name` of its own.

    Raises
    ------
    ValueError
        If two entries bear the same name.
    """

    def __init__(self, kind: str, entries: Iterable[T]) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}
        for entry in entries:
            if entry.name in self._entries:
                raise ValueError(f"two {kind}s are called {entry.name!r}")
            self._entries[entry.name] = entry

    def __iter__(self) -> Iterator[T]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        return tuple(self._entries)

    def get(self, name: str) -> T:
        """The entry of that name.

        Raises
        ------
        UnknownNameError
            If there is none; the message lists what there is.
        """
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError(self.kind, name, self.names) from None
