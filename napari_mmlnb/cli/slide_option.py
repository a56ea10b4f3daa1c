"""A slide as an argument, a path or a URL, and the backend that opens it as an option."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from napari_mmlnb.slides.location import Location


class SlideType(click.ParamType):  # type: ignore[type-arg]  # generic only in recent click
    """A file, a folder or a URL; the value is a `Path` or a `RemoteUrl`."""

    name = "SLIDE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Location:  # noqa: ARG002
        """Tell a URL from a path; whether anything lies there is found out when it is opened."""
        from napari_mmlnb.slides.location import locate

        return locate(value)


SLIDE = SlideType()

backend_option = click.option(
    "--backend", metavar="NAME", help="Open the slide with this backend and no other, for example openslide or tiff."
)
