"""An OME-Zarr at a URL as a zarr store, with the time limits and retries of `remote_patience`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from fsspec.implementations.http import HTTPFileSystem
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import FsspecStore, WrapperStore

from napari_mmlnb.errors import SlideNotFoundError, SlideReadError
from napari_mmlnb.slides.backends.remote_error import RemoteError
from napari_mmlnb.slides.backends.remote_patience import Patience
from napari_mmlnb.slides.backends.remote_ranges import remote_filesystem
from napari_mmlnb.slides.location import RemoteUrl

_DOCUMENTS = ("zarr.json", ".zgroup", ".zattrs", ".zarray", ".zmetadata")


class PatientStore(WrapperStore[FsspecStore]):
    """A remote store whose reads end in time.

    A key that the server does not have is None, which zarr takes for the fill value. Any other failure is raised as
    `RemoteError`, so that a lost connection is never painted. Stores that may not be listed refuse what they do not
    have, so a document that is refused counts as not there; a chunk that is refused does not.

    Parameters
    ----------
    store : FsspecStore
        The remote store.
    patience : Patience
        For all reads of one open slide.
    """

    def __init__(self, store: FsspecStore, patience: Patience | None = None) -> None:
        super().__init__(store)
        self._patience = patience or Patience()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.found = False
        """Whether the server has given anything yet."""
        self.failure: RemoteError | None = None
        """The last thing that went wrong."""

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """The value of a key; None where the server does not have it."""
        self._loop = asyncio.get_running_loop()
        try:
            value: Buffer | None = await self._patience.call(partial(super().get, key, prototype, byte_range))
        except RemoteError as failure:
            self.failure = failure
            if failure.refused and key.rpartition("/")[2] in _DOCUMENTS:
                return None
            raise
        self.found = self.found or value is not None
        return value

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Several at once."""
        return await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges))

    def close(self) -> None:
        """End the session with the server."""
        super().close()
        if self._loop is not None and isinstance(self._store.fs, HTTPFileSystem):
            asyncio.run_coroutine_threadsafe(self._end_session(), self._loop)

    async def _end_session(self) -> None:
        session = await self._store.fs.set_session()
        await session.close()


@contextmanager
def open_remote_store(url: RemoteUrl) -> Iterator[PatientStore]:
    """The store of an OME-Zarr at a URL; the slide is opened within the context, and outlives it.

    Raises
    ------
    SlideNotFoundError
        If the server has none of its documents.
    SlideReadError
        If the server does not answer or refuses.
    MissingExtraError
        If the client of its object store is not installed.
    """
    filesystem, path = remote_filesystem(url, asynchronous=True)
    if not filesystem.async_impl:
        from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper  # noqa: PLC0415

        filesystem = AsyncFileSystemWrapper(filesystem, asynchronous=True)
    patience = Patience()
    store = PatientStore(FsspecStore(filesystem, read_only=True, path=path.rstrip("/")), patience)
    try:
        yield store
    except SlideReadError:
        store.close()
        failure = store.failure
        if failure is not None and not (failure.refused and store.found):
            raise SlideReadError(url, f"{url} {failure.reason}.", failure.remedy) from None
        if not store.found:
            raise SlideNotFoundError(url) from None
        raise
    finally:
        patience.opened()
