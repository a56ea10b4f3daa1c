"""Files of single images as all of training reads them: eight-bit colour or grey, one picture a file.

What Pillow would turn into something else without a word is refused: sixteen-bit grey comes out white, floating point
black, and a transparent picture in the colour that nobody was meant to see.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from napari_mmlnb.errors import RequestError

LEAST_SIDE = 32
LONGEST = 4
"""Times as long as wide, at most: it is made a square before a network sees it."""

_MODES = frozenset({"RGB", "RGBA", "P", "L"})
_TOLD = {
    "1": "black and white only",
    "LA": "grey with transparency",
    "PA": "of a palette with transparency",
    "F": "in floating point",
    "I": "in 32-bit grey",
    "CMYK": "in CMYK, for printing",
}
_SIXTEEN_BIT = ";16"
_AGAIN = "Leave it out of the table, or copy it again."
_EIGHT_BIT = "Save it as an RGB image of eight bits a channel, such as a PNG."
_THREADS = 4


def read_rgb(path: Path) -> Image.Image:
    """An image in RGB, at its own size; what is transparent is laid on white, as on a slide.

    Raises
    ------
    RequestError
        If it cannot be read, is not eight-bit colour or grey, holds several pictures, or is smaller than 32 pixels or
        more than four times as long as wide.
    """
    name = path.name
    try:
        with Image.open(path) as image:
            _check_kind(image, name)
            image.load()
            return _on_white(image)
    except RequestError:
        raise
    except Exception as error:  # Pillow's readers raise whatever they stumble over: OSError, SyntaxError, struct.error
        raise RequestError(f"The image {name} cannot be read.", _AGAIN) from error


def check_image_files(paths: Sequence[Path], names: Sequence[str]) -> None:
    """Decode every image once: better now than in the third hour.

    Parameters
    ----------
    paths : sequence of Path
        (n,).
    names : sequence of str
        (n,) as the table names them, for the message.

    Raises
    ------
    RequestError
        If some cannot be used, with how many, and why the first cannot.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        refuse_images(names, pool.map(_problem, paths))


def refuse_images(names: Sequence[str], problems: Iterable[RequestError | None]) -> None:
    """Refuse images of which some have a problem; both are of the same n images."""
    found = list(_found(names, problems))
    if found:
        name, why = found[0]
        raise RequestError(
            f"{len(found)} of {len(names)} images cannot be read, the first is {name}. {why.problem}", why.remedy
        )


def _found(names: Sequence[str], problems: Iterable[RequestError | None]) -> Iterator[tuple[str, RequestError]]:
    return ((name, why) for name, why in zip(names, problems, strict=True) if why is not None)


def _problem(path: Path) -> RequestError | None:
    try:
        read_rgb(path)
    except RequestError as error:
        return error
    return None


def _check_kind(image: Image.Image, name: str) -> None:
    if _SIXTEEN_BIT in image.mode or _SIXTEEN_BIT in repr(getattr(image, "tile", "")):
        raise RequestError(f"The image {name} has 16 bits a channel.", _EIGHT_BIT)
    if image.mode not in _MODES:
        raise RequestError(f"The image {name} is {_TOLD.get(image.mode, f'in {image.mode}')}.", _EIGHT_BIT)
    pictures = getattr(image, "n_frames", 1)
    if pictures > 1:
        raise RequestError(
            f"The image {name} holds {pictures} pictures.", "Save the one that is meant as a file of its own."
        )
    short, long = sorted(image.size)
    if short < LEAST_SIDE:
        raise RequestError(
            f"The image {name} is {image.width} x {image.height} pixels; a side needs {LEAST_SIDE}.",
            "Leave it out of the table, or cut a larger one.",
        )
    if long > LONGEST * short:
        raise RequestError(
            f"The image {name} is {image.width} x {image.height} pixels, more than {LONGEST} times as long as wide.",
            "Cut it into pieces that are nearly square.",
        )


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    seen = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
