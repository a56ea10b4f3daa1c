"""Colours for the eye: from a scanner's own to sRGB, by the ICC profile that the slide carries.

Only what is shown is transformed, on request. Analysis works on the pixels as stored, always: models are trained on
those, and two scanners' profiles would move the same tissue in two directions.

The rendering intent is the one that the profile itself names as its own, as OpenSlide's documentation advises. Profiles
of scanners hold one transform as a rule, so that all intents give the same; absolute colorimetric, which would tint the
glass with the scanner's lamp, is replaced by relative colorimetric. LittleCMS does the arithmetic.

Source: ICC.1:2022 (profile version 4.4), International Color Consortium.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

from napari_mmlnb.errors import ColourProfileError
from napari_mmlnb.slides.backends.base import RGB

Colours = Literal["raw", "srgb"]
"""How pixels are shown: as stored, or transformed to sRGB."""

_INTENTS = MappingProxyType(
    {
        ImageCms.Intent.PERCEPTUAL: "perceptual",
        ImageCms.Intent.RELATIVE_COLORIMETRIC: "relative colorimetric",
        ImageCms.Intent.SATURATION: "saturation",
    }
)
_LONGEST_DESCRIPTION = 120
_REMEDY = "The colours are shown as they are stored."


@dataclass(frozen=True)
class ColourProfile:
    """What a slide's colour profile says, for people and for the record.

    Parameters
    ----------
    size : int
        Bytes.
    description : str
        As its maker calls it; empty where it cannot be read.
    intent : str
        The rendering intent that would be used; empty where it cannot be read.
    problem : str
        Why it cannot be used; empty where it can.
    """

    size: int
    description: str = ""
    intent: str = ""
    problem: str = ""

    @property
    def usable(self) -> bool:
        """Whether pixels can be shown in sRGB by it."""
        return not self.problem

    @classmethod
    def of(cls, profile: bytes) -> ColourProfile:
        """What a profile says; never raises."""
        try:
            transform = SrgbTransform(profile)
        except ColourProfileError as error:
            return cls(len(profile), problem=error.problem)
        return cls(len(profile), transform.description, transform.intent)


class SrgbTransform:
    """From a profile's colours to sRGB; safe from several threads.

    Parameters
    ----------
    profile : bytes
        An ICC profile of RGB colours.

    Attributes
    ----------
    description : str
        What the profile calls itself.
    intent : str
        The rendering intent.

    Raises
    ------
    ColourProfileError
        If it is damaged, or describes other colours than RGB.
    """

    def __init__(self, profile: bytes) -> None:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            space = source.profile.xcolor_space.strip()
            if space != "RGB":
                problem = f"The slide's colour profile describes {space} colours, not RGB."
                raise ColourProfileError(problem, _REMEDY)
            self.description = _one_line(source.profile.profile_description or "")
            intent = _intent(source)
            self._transform = ImageCms.buildTransform(
                source,
                ImageCms.createProfile("sRGB"),
                "RGB",
                "RGB",
                renderingIntent=intent,
                flags=ImageCms.Flags.NOCACHE,  # LittleCMS's cache of the last pixel is one for all threads
            )
        except (OSError, ValueError, ImageCms.PyCMSError) as error:
            raise ColourProfileError("The slide's colour profile is damaged.", _REMEDY) from error
        self.intent = _INTENTS[intent]

    def __call__(self, rgb: RGB) -> RGB:
        """The same picture in sRGB, (h, w, 3) uint8; the one that was given is left as it is."""
        image = Image.fromarray(np.ascontiguousarray(rgb))
        ImageCms.applyTransform(image, self._transform, inPlace=True)
        return np.array(image)


def _intent(profile: ImageCms.ImageCmsProfile) -> ImageCms.Intent:
    own = ImageCms.Intent(ImageCms.getDefaultIntent(profile))
    return own if own in _INTENTS else ImageCms.Intent.RELATIVE_COLORIMETRIC


def _one_line(text: str) -> str:
    words = "".join(letter if letter.isprintable() else " " for letter in text).split()
    return " ".join(words)[:_LONGEST_DESCRIPTION]
