"""Where the sentences of an answer end, and how they stand on the page: lines, lists, emphasis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_REMEMBERED = 2048


@dataclass(frozen=True)
class Piece:
    """A sentence, a heading, an item of a list or a row of a table, as it was written.

    Parameters
    ----------
    text : str
        With its marks, white space made single.
    indent : int
        White space before it, in characters; -1 where it does not begin a line.
    apart : bool
        Whether an empty line stands before it.
    """

    text: str
    indent: int = 0
    apart: bool = False

    @property
    def begins_line(self) -> bool:
        """Whether nothing stands before it in its line."""
        return self.indent >= 0

    @property
    def listed(self) -> bool:
        """Whether the mark of a list stands before it."""
        return self.begins_line and _BULLET.match(self.text) is not None

    @property
    def closed(self) -> bool:
        """Whether it ends as a sentence does."""
        return _CLOSED.search(self.text) is not None


def pieces_of(text: str) -> tuple[tuple[Piece, ...], Piece]:
    """The finished pieces of a text, and what stands after the last of them.

    A sentence ends with its line, or with . ! ? before white space; not after an abbreviation, an initial or the number
    of a list. A line that goes on with a small letter was only wrapped. Whatever might still go on is the rest.
    """
    found = tuple(_pieces(text))
    return found[:-1], found[-1]


def split_sentences(text: str) -> tuple[tuple[str, ...], str]:
    """The finished sentences of a text with their marks, and what stands after the last of them."""
    finished, rest = pieces_of(text)
    return tuple(piece.text for piece in finished), rest.text


@lru_cache(maxsize=_REMEMBERED)
def unmarked(sentence: str) -> str:
    """Without the marks of lists, headings and emphasis."""
    return _MARKS.sub("", sentence).strip()


def closed(sentence: str) -> str:
    """With a full stop where none is: sentences of a list go without."""
    return sentence if not sentence or _CLOSED.search(sentence) else sentence.rstrip(",;:") + "."


_END = re.compile(r"(?P<mark>[.!?…。！？]+[\"'”’)\]*_]*)\s+(?=\S)|[^\S\n]*\n(?:\s*\n\s*(?=\S)|\s*(?=[^\sa-z]))")
_ABBREVIATED = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|cf|vs|approx|ca|figs?|dr|resp|incl|max|min|al|[A-Z]|i{2,3}|iv|vi{0,3}|ix)\.$|^\W*\d{1,3}\.$",
    re.IGNORECASE,
)
_CLOSED = re.compile(r"[.!?…。！？][\"'”’)\]*_]*$")
_BULLET = re.compile(r"\s*(?:[-*+•‣–—>●○◦▪■·]|\(?\d{1,3}[.)])\s+")
_MARKS = re.compile(
    r"^\s*(?:(?:[-*+•‣–—>●○◦▪■·#]|#{2,6}|\(?\d{1,3}[.)])\s+)*|\*\*|__|(?<!\w)[*_](?=\w)|(?<=[\w.!?:])[*_](?!\w)|`"
)


def _pieces(text: str) -> Iterator[Piece]:
    """All pieces; the last one, which may be empty, is what is not finished."""
    begun, gap = 0, "\n"
    for end in _END.finditer(text):
        mark = end["mark"] or ""
        piece = " ".join((text[begun : end.start()] + mark).split())
        if mark and "\n\n" not in end[0] and _ABBREVIATED.search(piece):
            continue
        if piece:
            yield _placed(piece, gap)
        begun, gap = end.end(), (gap if not piece else "") + end[0][len(mark) :]
    rest = text[begun:]
    yield _placed(" ".join(rest.split()), gap + rest[: len(rest) - len(rest.lstrip())])


def _placed(piece: str, gap: str) -> Piece:
    """A piece behind the white space that parts it from the one before."""
    if "\n" not in gap:
        return Piece(piece, -1)
    return Piece(piece, len(gap) - gap.rindex("\n") - 1, gap.count("\n") > 1)
