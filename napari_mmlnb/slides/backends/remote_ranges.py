"""Ranges of one remote file, through fsspec, with failures told apart.

Over http and https the answers are looked at here, in fsspec's own session: a server that ignores ranges would send the
whole slide for every tile, and one that has another version by now would mix two slides into one picture. Object stores
are read through their fsspec file systems. What a library says of a failure may hold the URL with its signature, so
that no text of theirs is passed on.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import fsspec
from fsspec.asyn import get_loop

from napari_mmlnb.errors import MissingExtraError
from napari_mmlnb.slides.backends.remote_error import RemoteError
from napari_mmlnb.slides.location import EXTRA, RemoteUrl

_LOGGERS = ("fsspec", "fsspec.http", "fsspec.asyn", "s3fs", "gcsfs")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@|\?\S*")
_TOTAL = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")

_RETRY = (408, 425, 429, 500, 502, 503, 504)
_REFUSED = (401, 403, 407)
_MISSING = (404, 410)


_KINDS: dict[type[Exception], str] = {
    asyncio.TimeoutError: "did not answer in time",
    TimeoutError: "did not answer in time",
    aiohttp.ClientConnectorError: "cannot be reached",
}


@dataclass(frozen=True)
class RemoteFile:
    """What is known of a file before it is read.

    Parameters
    ----------
    size : int
        Bytes.
    version : str
        The server's mark of this version of the content (ETag); empty where it gives none.
    """

    size: int
    version: str


class Ranges(Protocol):
    """One remote file. The coroutines run in fsspec's event loop; they raise `RemoteError` and nothing else."""

    async def begin(self) -> RemoteFile:
        """Find out how large the file is and whether parts of it can be read."""
        ...

    async def fetch(self, start: int, end: int) -> bytes:
        """Bytes from `start` up to, and not including, `end`, which lies inside the file."""
        ...


def open_ranges(url: RemoteUrl) -> Ranges:
    """The ranges of a URL. Nothing is sent yet.

    Raises
    ------
    MissingExtraError
        If the client of its object store is not installed.
    """
    _keep_credentials_out_of_logs()
    filesystem, path = remote_filesystem(url)
    return HttpRanges(filesystem, path) if url.scheme in ("http", "https") else FilesystemRanges(filesystem, path)


def remote_filesystem(url: RemoteUrl, **options: Any) -> tuple[Any, str]:
    """An fsspec file system of its own for a URL, and the path in it.

    Raises
    ------
    MissingExtraError
        If the client of its object store is not installed.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(url.url, skip_instance_cache=True, **options)
    except ImportError:
        raise MissingExtraError(f"The client for {url.scheme}:// slides", EXTRA) from None
    return filesystem, path


class HttpRanges:
    """A file on a web server.

    Parameters
    ----------
    filesystem : fsspec.implementations.http.HTTPFileSystem
        Its session and settings are used.
    url : str
        The file.
    """

    def __init__(self, filesystem: Any, url: str) -> None:
        self._filesystem = filesystem
        self._url = url
        self._file: RemoteFile | None = None

    async def begin(self) -> RemoteFile:
        """Ask for the first byte: that tells the size, and whether the server gives parts."""
        headers, _ = await self._get(0, 1)
        match = _TOTAL.match(headers.get("Content-Range", ""))
        if match is None:
            raise RemoteError("does not say how large it is", remedy="Download the slide and open the copy.")
        self._file = RemoteFile(int(match[2]), headers.get("ETag", ""))
        return self._file

    async def fetch(self, start: int, end: int) -> bytes:
        """A range, checked to be of the version that was opened."""
        headers, data = await self._get(start, end)
        match = _TOTAL.match(headers.get("Content-Range", ""))
        if match is None or match[1] != str(start):
            raise RemoteError("sent another part than was asked for", again=True)
        if self._file is not None and self._file != RemoteFile(int(match[2]), headers.get("ETag", "")):
            raise RemoteError("has changed on the server since it was opened", remedy="Open it again.")
        return data

    async def _get(self, start: int, end: int) -> tuple[Any, bytes]:
        options = dict(self._filesystem.kwargs)
        headers = {**options.pop("headers", {}), "Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        try:
            session = await self._filesystem.set_session()
            url = self._filesystem.encode_url(self._url)
            async with session.get(url, headers=headers, **options) as response:
                if response.status != 206:
                    raise _of_status(response.status)
                return response.headers, await _body(response, end - start)
        except RemoteError:
            raise
        except Exception as error:
            raise failure_of(error) from None


class FilesystemRanges:
    """A file in an object store, or whatever else fsspec opens.

    Parameters
    ----------
    filesystem : fsspec.AbstractFileSystem
        With coroutines of its own, or not.
    path : str
        The file in it.
    """

    def __init__(self, filesystem: Any, path: str) -> None:
        self._filesystem = filesystem
        self._path = path

    async def begin(self) -> RemoteFile:
        """Ask the store for the size."""
        info = await self._call("info", self._path)
        if info.get("type") == "directory" or info.get("size") is None:
            raise RemoteError("is not a file", missing=True)
        return RemoteFile(int(info["size"]), str(info.get("ETag") or info.get("etag") or ""))

    async def fetch(self, start: int, end: int) -> bytes:
        """A range."""
        return bytes(await self._call("cat_file", self._path, start=start, end=end))

    async def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        try:
            if self._filesystem.async_impl:
                return await getattr(self._filesystem, f"_{name}")(*arguments, **options)
            return await asyncio.to_thread(getattr(self._filesystem, name), *arguments, **options)
        except Exception as error:
            raise failure_of(error) from None


def failure_of(error: Exception) -> RemoteError:
    """What a library's error means; its own text is left out, for it may hold the URL with its signature."""
    if isinstance(error, RemoteError):
        return error
    status = getattr(error, "status", None)
    if isinstance(status, int) and status not in (200, 206):
        return _of_status(status)
    if isinstance(error, FileNotFoundError):
        return RemoteError("is not there", missing=True)
    if isinstance(error, PermissionError) or "Credentials" in type(error).__name__:
        return _refused()
    known = isinstance(error, aiohttp.ClientError | OSError | EOFError | asyncio.TimeoutError)
    said = next((text for kind, text in _KINDS.items() if isinstance(error, kind)), None)
    return RemoteError(said or f"could not be read ({type(error).__name__})", again=known)


def run_in_loop(coroutine: Any) -> Any:
    """Start a coroutine in fsspec's event loop; gives a `concurrent.futures.Future`."""
    return asyncio.run_coroutine_threadsafe(coroutine, get_loop())


def _of_status(status: int) -> RemoteError:
    if status == 200:
        what = "lies on a server that does not send parts of a file (HTTP ranges)"
        return RemoteError(what, remedy="Download the slide and open the copy.")
    if status in _MISSING:
        return RemoteError("is not there", missing=True)
    if status in _REFUSED:
        return _refused()
    return RemoteError(f"was answered with HTTP status {status}", again=status in _RETRY)


async def _body(response: Any, count: int) -> bytes:
    """At most `count` bytes and one, so that a server that sends more than was asked for is noticed, not obeyed."""
    parts: list[bytes] = []
    left = count + 1
    while left > 0 and (part := await response.content.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _refused() -> RemoteError:
    return RemoteError(
        "may not be read with the credentials given (or without any)",
        refused=True,
        remedy="Give credentials in the way of its store, or open a signed URL; see the documentation on formats.",
    )


class _WithoutCredentials(logging.Filter):
    """Takes user, password and query out of URLs in log records."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _CREDENTIALS.sub("", record.getMessage())
        record.args = ()
        return True


_FILTER = _WithoutCredentials()


def _keep_credentials_out_of_logs() -> None:
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)  # adding it again changes nothing
