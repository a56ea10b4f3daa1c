"""A digest of an OME-Zarr's content, the same for a folder, a zip file and a URL.

The documents of the picture and its levels are hashed whole, and of the chunks of each level those at even distances:
all of them where they are few. A chunk that was never stored counts as such.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from napari_mmlnb.errors import SlideReadError
from napari_mmlnb.slides.backends.ome_zarr import open_store
from napari_mmlnb.slides.backends.ome_zarr_image import OmeZarrLevel, find_image
from napari_mmlnb.slides.location import Location

_DOCUMENTS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
_CHUNKS = (64, 8)
"""At most so many of the finest level, and of each other."""


def ome_zarr_digest(location: Location) -> tuple[str, str]:
    """The kind of digest ("sha256" where all chunks were read, else "sha256-sampled") and its hex digits.

    Raises
    ------
    SlideReadError
        If it cannot be read.
    """
    with open_store(location) as (store, root):
        try:
            image = find_image(location, store, root)
            digest, whole = hashlib.sha256(), True
            for path in (image.group, *(level.array.path for level in image.levels)):
                for name in _DOCUMENTS:
                    _add(digest, store, image.group, f"{path}/{name}".lstrip("/"))
            for index, level in enumerate(image.levels):
                keys, all_of_them = _chunk_keys(level, _CHUNKS[min(index, 1)])
                whole = whole and all_of_them
                for key in keys:
                    _add(digest, store, image.group, key)
        except SlideReadError:
            raise
        except Exception as error:  # every store has its own error types
            raise SlideReadError(location, f"{location} cannot be read ({type(error).__name__}).") from None
        store.close()
    return "sha256" if whole else "sha256-sampled", digest.hexdigest()


def _add(digest: hashlib._Hash, store: Store, group: str, key: str) -> None:
    """A key's name below the picture's group, the length of its value, and the value."""
    value = sync(store.get(key, default_buffer_prototype()))
    name = key.removeprefix(group).lstrip("/")
    digest.update(f"{name} {-1 if value is None else len(value)}\n".encode())
    if value is not None:
        digest.update(value.to_bytes())


def _chunk_keys(level: OmeZarrLevel, most: int) -> tuple[list[str], bool]:
    """Keys of chunks (of shards, where there are) at even distances, and whether those are all."""
    array = level.array
    counts = [math.ceil(n / c) for n, c in zip(array.shape, array.shards or array.chunks, strict=True)]
    total = math.prod(counts)
    picked = np.unique(np.linspace(0, total - 1, min(total, most)).round().astype(np.int64))
    places = np.stack(np.unravel_index(picked, counts), axis=-1)
    keys = [f"{array.path}/{array.metadata.encode_chunk_key(tuple(place))}".lstrip("/") for place in places.tolist()]
    return keys, total <= most
