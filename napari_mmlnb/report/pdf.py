"""`report.pdf`: the run on paper. PDF/A-3a with PDF/UA-1 tags, fonts embedded, the record attached.

Typst sets it from a template in this package; nothing comes from the network, and the fonts are those inside typst, so
that the same record gives the same file on every machine. Only where a text holds a character that they lack are the
system's fonts asked, and a character that no font has is printed as its code point.
"""

from __future__ import annotations

import json
import re
import tempfile
import zlib
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import typst
from PIL import Image

from napari_mmlnb.report.colour_map import TISSUE_RGB, blend, colour_table
from napari_mmlnb.report.document import document_data
from napari_mmlnb.report.overlay import draw_attention, draw_slide
from napari_mmlnb.report.sharing import shareable
from napari_mmlnb.result import Review, RunMaps, RunResult

RECORD_NAME = "result.json"
REVIEW_NAME = "review.json"
_ATTACHED = (
    "Attached to this file: the record that it was made from (result.json), without the slide’s path and without "
    "the digests of the output files."
)


def write_pdf(result: RunResult, path: Path, review: Review | None = None) -> None:
    """Write the report of a run.

    Parameters
    ----------
    result : RunResult
        With its `maps`.
    path : Path
        The PDF.
    review : Review or None
        What a person decided; printed as a section of its own, and attached.

    Raises
    ------
    ValueError
        If the record has no rasters.
    OSError
        If the file cannot be written.
    """
    if result.maps is None:
        raise ValueError("the record has no rasters")
    with tempfile.TemporaryDirectory(prefix="mmlnb-report-") as folder:
        root = Path(folder)
        data = document_data(result, result.maps, review)
        _pictures(data, result.maps, root)
        data["attachments"] = _attachments(result, review, root)
        data["attached"] = _ATTACHED
        template = resources.files("napari_mmlnb.report") / "templates" / "report.typ"
        (root / "report.typ").write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
        _write_whole(path, _compile(root, data, int(result.created.timestamp())))


def _write_whole(path: Path, content: bytes) -> None:
    """Replace a file at once, so that a full disk leaves the earlier one rather than half of this."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def attached_record(result: RunResult) -> RunResult:
    """The record as it is attached to the PDF: fit to be passed on, and without the digests of the files.

    The PDF's own digest stands in `result.json`, so the attached copy cannot hold it.
    """
    return shareable(result).with_outputs({})


def read_attachment(path: Path, name: str = RECORD_NAME) -> str | None:
    """The text of a file attached to a PDF that this program wrote.

    Parameters
    ----------
    path : Path
        The PDF.
    name : str
        Of the attachment.

    Returns
    -------
    str or None
        None where there is no such attachment.

    Raises
    ------
    OSError
        If the PDF cannot be read.
    """
    pdf = path.read_bytes()
    # A file specification names the object that holds its bytes: /F(name) ... /EF<</F 39 0 R.
    for spec in re.finditer(rb"/Type/Filespec.*?/EF<<[^>]*?/F (\d+) 0 R", pdf, re.DOTALL):
        if b"(" + name.encode() + b")" in spec.group(0):
            return _stream(pdf, spec.group(1))
    return None


def _stream(pdf: bytes, number: bytes) -> str | None:
    head = re.search(rb"(?:^|[\r\n])" + number + rb" 0 obj\s*<<(.*?)>>\s*stream\r?\n", pdf, re.DOTALL)
    length = re.search(rb"/Length (\d+)", head.group(1)) if head else None
    if head is None or length is None:
        return None
    content = pdf[head.end() : head.end() + int(length.group(1))]
    try:
        return (zlib.decompress(content) if b"/FlateDecode" in head.group(1) else content).decode()
    except (zlib.error, UnicodeDecodeError):
        return None


def _pictures(data: dict[str, Any], maps: RunMaps, root: Path) -> None:
    # Typst packs the pixels again, so packing them well here would only take time.
    Image.fromarray(draw_slide(maps)).save(root / "slide.png", compress_level=1)
    if not data["abstained"]:
        Image.fromarray(draw_attention(maps)).save(root / "attention.png", compress_level=1)
        bar = np.round(blend(colour_table(256), TISSUE_RGB) * 255).astype(np.uint8)
        Image.fromarray(np.repeat(bar[None], 8, axis=0)).save(root / "colours.png")
    for index, item in enumerate(data["evidence"]):
        item["file"] = ""
        if index < len(maps.evidence_tiles):
            item["file"] = f"tile-{index}.png"
            Image.fromarray(maps.evidence_tiles[index]).save(root / item["file"], compress_level=1)


def _attachments(result: RunResult, review: Review | None, root: Path) -> list[dict[str, str]]:
    (root / RECORD_NAME).write_text(attached_record(result).to_json(), encoding="utf-8")
    files = [{"file": RECORD_NAME, "description": "The record of the run"}]
    if review is not None:
        (root / REVIEW_NAME).write_text(review.model_dump_json(indent=2) + "\n", encoding="utf-8")
        files.append({"file": REVIEW_NAME, "description": "The reader’s own decision"})
    return files


def _compile(root: Path, data: dict[str, Any], timestamp: int) -> bytes:
    try:
        return _typeset(root, data, timestamp, system_fonts=False)
    except typst.TypstError as error:
        if not _lacks_glyph(error):
            raise
    data = _with_code_points(data, _missing_characters(data))
    return _typeset(root, data, timestamp, system_fonts=True)


def _typeset(root: Path, data: dict[str, Any], timestamp: int, *, system_fonts: bool) -> bytes:
    (root / "data.json").write_text(json.dumps(data, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    pdf: bytes = typst.compile(
        root / "report.typ",
        root=root,
        ignore_system_fonts=not system_fonts,
        pdf_standards=["a-3a", "ua-1"],
        timestamp=timestamp,
    )
    return pdf


def _lacks_glyph(error: typst.TypstError) -> bool:
    return "could not be displayed" in str(error)


def _missing_characters(data: dict[str, Any]) -> frozenset[str]:
    """Which characters no font here can show, tried one at a time."""
    compiler = typst.Compiler()
    missing = set()
    for character in sorted({c for c in json.dumps(data, ensure_ascii=False) if ord(c) > 0x7F}):
        page = f'#set text(font: "Libertinus Serif")\n#"\\u{{{ord(character):x}}}"'
        try:
            compiler.compile(page.encode(), format="pdf", pdf_standards=["a-3b"], timestamp=0)
        except typst.TypstError:
            missing.add(character)
    return frozenset(missing)


def _with_code_points(value: Any, missing: frozenset[str]) -> Any:
    if isinstance(value, str):
        return "".join(f"[U+{ord(c):04X}]" if c in missing else c for c in value)
    if isinstance(value, dict):
        return {key: _with_code_points(item, missing) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_code_points(item, missing) for item in value]
    return value
