"""Where a slide lies: a path on this machine, or a URL.

`pathlib` would make ``s3:/bucket`` of ``s3://bucket``, so a URL is a type of its own. Its text, which is what messages,
layers and records show, holds neither user and password nor the query, where signatures and tokens stand; the whole of
it goes to the library that opens it and nowhere else.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import url2pathname

from napari_mmlnb.errors import RequestError

EXTRA = "remote"
"""The extra with the clients of object stores."""

SCHEMES = MappingProxyType(
    {"https": "", "http": "", "s3": EXTRA, "s3a": EXTRA, "gs": EXTRA, "gcs": EXTRA, "memory": ""}
)
"""URLs that are opened, and the extra that each needs ("memory" is fsspec's own, for trying things out)."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{2,}")
_COLLAPSED = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?=[^/])")


@dataclass(frozen=True)
class RemoteUrl:
    """A slide at a URL.

    Parameters
    ----------
    url : str
        With whatever credentials it holds: never to be shown, logged or written.

    Raises
    ------
    RequestError
        If it is no URL, or none that is opened.
    """

    url: str = field(repr=False)

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise RequestError(
                f"Slides are not read over {self.scheme or 'this kind of URL'}://.",
                "Give a file on this machine, or a URL that begins with https://, http://, s3:// or gs://.",
            )
        if not self._parts.netloc and self.scheme != "memory":
            raise RequestError("The URL names no server or bucket.", "Check it.")

    def __str__(self) -> str:
        """The URL without user, password, query and fragment."""
        server = self._parts.netloc.rpartition("@")[2]
        return f"{self.scheme}://{server}{self._parts.path}"

    def __repr__(self) -> str:
        return f"RemoteUrl({str(self)!r})"

    @property
    def scheme(self) -> str:
        """What comes before "://", in small letters."""
        return self._parts.scheme.lower()

    @property
    def name(self) -> str:
        """The last part of the path."""
        return unquote(PurePosixPath(self._parts.path).name) or self._parts.netloc.rpartition("@")[2]

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The ending of the name, with its point."""
        return PurePosixPath(self.name).suffix

    @property
    def _parts(self) -> SplitResult:
        try:
            return urlsplit(self.url)
        except ValueError:
            raise RequestError("The URL is malformed.", "Check it.") from None


Location = Path | RemoteUrl


def locate(place: str | os.PathLike[str] | RemoteUrl) -> Location:
    """What a person or a program named.

    Parameters
    ----------
    place : str, path-like or RemoteUrl
        A path, a ``file://`` URL, or one of `SCHEMES`. A path that `pathlib` has made of a URL is taken for that URL
        where nothing lies at the path.

    Raises
    ------
    RequestError
        If it is a URL of another kind, or malformed.
    """
    if isinstance(place, RemoteUrl):
        return place
    text = os.fspath(place)
    if text.lower().startswith("file://"):
        return Path(url2pathname(urlsplit(text).path))
    if _URL.match(text):
        return RemoteUrl(text)
    path = Path(place)
    collapsed = _COLLAPSED.match(path.as_posix())
    if collapsed and collapsed[1].lower() in SCHEMES and not path.exists():
        return RemoteUrl(f"{collapsed[1]}://{path.as_posix()[collapsed.end() :]}")
    return path


def recorded(location: Location) -> str:
    """As a result records it: an absolute path, or the URL without credentials."""
    return as_text(location.resolve()) if isinstance(location, Path) else as_text(location)


def as_text(location: Location) -> str:
    """For a screen or a record: a name that is no UTF-8, from another system, has question marks where it is none."""
    return str(location).encode("utf-8", "replace").decode("utf-8")
