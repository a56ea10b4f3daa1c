"""`mmlnb info`: what a slide file holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from napari_mmlnb.cli.mpp import MPP
from napari_mmlnb.cli.slide_option import SLIDE, backend_option

if TYPE_CHECKING:
    from napari_mmlnb.slides.location import Location


@click.command(name="info", short_help="Say what a slide file holds.")
@click.argument("slide", type=SLIDE)
@click.option("--mpp", type=MPP, help="Micrometres per pixel, X or X,Y, where the file does not say or is wrong.")
@backend_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def command(slide: Location, mpp: tuple[float, float] | None, backend: str | None, as_json: bool) -> None:
    """Say what SLIDE holds: size, levels, scale and its source, codec, and the images beside it.

    SLIDE is a file, a folder (DICOM, OME-Zarr) or a URL (https://, s3://, gs://).

    A slide whose file does not give its scale is shown all the same, with a note.
    """
    facts = slide_facts(slide, mpp, backend)
    if as_json:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        for line in fact_lines(facts):
            click.echo(line)


def slide_facts(
    location: Location, mpp: tuple[float, float] | None = None, backend: str | None = None
) -> dict[str, Any]:
    """What a slide file says of itself, as `mmlnb info --json` prints it.

    Parameters
    ----------
    location : Path or RemoteUrl
        A slide file, a folder (DICOM, OME-Zarr) or a URL.
    mpp : (x, y), optional
        Use this scale instead of the file's.
    backend : str, optional
        Use this backend and no other.

    Returns
    -------
    dict
        `size_px`, `mpp` and `tile_px` are [x, y]; `bounds_px` is [y, x, height, width]; `mpp` is None, and
        `notes` says why, where the file does not give it.

    Raises
    ------
    SlideError
        If the slide cannot be opened, or the given scale is not plausible.
    UnknownNameError
        If there is no such backend.
    """
    from napari_mmlnb.errors import MppMissingError
    from napari_mmlnb.slides.backends.registry import open_reader
    from napari_mmlnb.slides.location import as_text
    from napari_mmlnb.slides.scale import resolve_mpp

    reader, opened_by = open_reader(location, backend)
    try:
        metadata = reader.metadata
        scale, source, notes = None, "", list(metadata.notes)
        try:
            resolved, source = resolve_mpp(location, metadata, mpp)
            scale = list(resolved.xy)
        except MppMissingError as error:
            notes.append(str(error))
    finally:
        reader.close()
    first = metadata.levels[0]
    return {
        "path": as_text(location),
        "backend": opened_by,
        "vendor": metadata.vendor,
        "codec": metadata.codec,
        "size_px": [first.width, first.height],
        "mpp": scale,
        "mpp_source": source,
        "tile_px": [metadata.tile_px[1], metadata.tile_px[0]],
        "levels": [
            {"size_px": [level.width, level.height], "downsample": [level.downsample_x, level.downsample_y]}
            for level in metadata.levels
        ],
        "bounds_px": list(metadata.bounds_px) if metadata.bounds_px else None,
        "icc_bytes": metadata.icc_bytes,
        "associated_images": list(metadata.associated),
        "notes": notes,
    }


def fact_lines(facts: dict[str, Any]) -> list[str]:
    """The same for people, a line a fact."""
    width, height = facts["size_px"]
    mpp = facts["mpp"]
    scale = "unknown"
    if mpp is not None:
        millimetres = f"{width * mpp[0] / 1000:.2f} x {height * mpp[1] / 1000:.2f} mm"
        scale = f"{mpp[0]:g} x {mpp[1]:g} um per pixel ({facts['mpp_source']}), {millimetres}"
    tile = facts["tile_px"]
    bounds = facts["bounds_px"]
    rows = {
        "slide": facts["path"],
        "opened by": f"{facts['backend']} ({facts['vendor'] or 'unknown vendor'})",
        "size": f"{width} x {height} px",
        "scale": scale,
        "codec": f"{facts['codec']}, " + (f"tiles of {tile[0]} x {tile[1]} px" if all(tile) else "no tiles"),
        "bounds": f"y {bounds[0]}, x {bounds[1]}, {bounds[3]} x {bounds[2]} px" if bounds else "whole canvas",
        "ICC profile": f"{facts['icc_bytes']} bytes" if facts["icc_bytes"] else "none",
        "other images": ", ".join(facts["associated_images"]) or "none",
    }
    lines = [f"{name:<13}{text}" for name, text in rows.items()]
    for index, level in enumerate(facts["levels"]):
        x, y = level["downsample"]
        lines.append(f"{f'level {index}':<13}{level['size_px'][0]} x {level['size_px'][1]} px, 1 : {x:g} x {y:g}")
    return lines + [f"{'note':<13}{note}" for note in facts["notes"]]
