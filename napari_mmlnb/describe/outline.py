"""What belongs together in an answer of lines: a heading and its items, a finding and its value, the cells of a table.

"Not seen:" and below it "- Necrosis" say the opposite of "Necrosis." So an item stays with a heading that denies; one
under a heading that only supposes, or that cannot be joined for sure, is lost. Under a heading that merely names what
is described ("Findings:", "Cells:") the items stand for themselves; a bare value ("Absent") stands with its finding.

Each piece is judged by those before it; only a line that is no sentence, or a question, waits for the one after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from napari_mmlnb.describe.claims import denies
from napari_mmlnb.describe.layout import Piece, unmarked


@dataclass(frozen=True)
class Statement:
    """Words that say something for themselves.

    Parameters
    ----------
    text : str
        Without marks.
    lost : bool
        Whether they must not be shown, since what they belong to is not sure.
    """

    text: str
    lost: bool = False


@dataclass
class _Heading:
    words: str
    indent: int
    hashed: bool = False
    listed: bool = False
    sure: bool = True
    """Whether items may be joined to it."""
    items: int = 0
    had_list: bool = False

    def __post_init__(self) -> None:
        self.words = self.words.rstrip(":*_ #.;,-–—")

    @property
    def denies(self) -> bool:
        return denies(self.words)

    @property
    def supposes(self) -> bool:
        return _SUPPOSED.search(self.words) is not None

    @property
    def colours(self) -> bool:
        """Whether its items say less without it."""
        return _CONTEXT.search(self.words) is not None and _ASSERTED.search(self.words) is None

    @property
    def names(self) -> bool:
        """Whether it names something that a value may be said of."""
        return 0 < len(self.words.split()) <= _MOST_WORDS and not _is_generic(self.words)


_MOST_WORDS = 8
_SUPPOSED = re.compile(
    r"\b(?:if|would|could|should|might|may|expect\w*|differential\w*|look(?:ing)? for|to (?:assess|exclude|consider)|"
    r"possib\w+|consider\w*|potential\w*|unlike|in contrast|compared|usually|normally|generally|elsewhere|questions?|"
    r"recommend\w*|next steps?|limitations?|notes?|disclaimer)\b|\?$",
    re.IGNORECASE,
)
_CONTEXT = re.compile(
    r"\b(?:typical\w*|characteristic of|classic\w*|suggest\w*|support\w*|favou?r\w*|(?:consistent|compatible) with|"
    r"(?!(?:my?x|st)[a-z]*oma)[a-z]{3,}(?<!str)omas?)\b",
    re.IGNORECASE,
)
_ASSERTED = re.compile(
    r"\b(?:shows?|showing|exhibits?|demonstrates?|reveals?|presents?|displays?|has|have|contains?|composed|"
    r"characteri[sz]ed|(?:is|are) (?:seen|present|observed|noted|visible))\b",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|been|has|have|shows?|would|could|can|cannot|may|might|seen|present|absent|no|not|none|"
    r"without|lacks?|but|only)\b|[:;?]",
    re.IGNORECASE,
)
_RULE = re.compile(r"[*_\-=\s|:]*")
_BOLD_LINE = re.compile(r"(\*\*|__)(?:(?!\1).)+\1")
_CROSSED = re.compile(r"[✗✘❌☒]|\([-–]\)")
_TABLE = re.compile(r"\||.*\s\|\s")
_NAME = re.compile(r"Homer|Wright|Schwann|Nissl|\w?[A-Z]{2}|[A-Z]\b(?! )")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_VALUES = _set("""
    absent present none no yes nil not never seen identified observed noted detected evident visible found apparent
    appreciated recognised recognized scant scanty sparse minimal mild moderate moderately focal focally rare few many
    some several abundant extensive prominent marked inconspicuous low high intermediate negative positive
    unremarkable small large medium variable occasional numerous frequent widespread diffuse unclear unknown
    """)
_BESIDES = _set(
    "to or and very clearly readily easily only here in this the field tile image area any at all n a of is it"
)
_GENERIC = _set("""
    feature features finding findings following these below are as i we see do there evidence for on what how slide
    section view pertinent relevant other additional further key main important notable microscopic microscopy
    histological histologic histology pathological description describe summary overall impression assessment appearance
    characteristics characteristic observation observations details detail result results status comment value answer
    report item parameter amount that which be can cannot from with my your list interpretation negatives positives
    include includes including structures signs absence presence and
    """)
_ANSWERS = _set("yes no none nil")


def statements(pieces: Sequence[Piece], *, ended: bool) -> Iterator[Statement]:
    """What an answer says, piece by piece, headings joined to what they govern.

    Parameters
    ----------
    pieces : sequence of Piece
        Finished ones, from the beginning.
    ended : bool
        False while more may follow: what waits for the next piece is then kept back.
    """
    outline = _Outline()
    for piece in pieces:
        yield from outline.take(piece)
    if ended:
        yield from outline.release()


class _Outline:
    """Where in an answer the reader is."""

    def __init__(self) -> None:
        self._heading: _Heading | None = None
        self._held: Piece | None = None
        self._fate: bool | None = None  # of the item that goes on: joined or lost, so that the rest of it is lost too

    def release(self) -> Iterator[Statement]:
        """What waited for a piece that did not come, or did not change it."""
        if self._held is not None:
            yield Statement(unmarked(self._held.text))
        self._held = None

    def take(self, piece: Piece) -> Iterator[Statement]:
        """Read one piece."""
        words = unmarked(piece.text)
        if _RULE.fullmatch(piece.text):
            return
        if not piece.begins_line and self._fate:
            yield Statement(words, lost=True)
        elif _is_heading(piece, words):
            yield from self._open(piece, words)
        elif _TABLE.match(piece.text) and "<|" not in piece.text:
            yield from self.release()
            yield from self._row(piece.text)
        else:
            self._turn_held_into_heading(piece)
            governed = self._governed(piece)
            if governed is not None and (governed.denies or governed.supposes or governed.colours):
                yield from self.release()
                yield self._item(governed, words)
            elif _is_value(words):
                yield from self._value(piece, words, governed)
            else:
                yield from self._free(piece, words, governed)

    def _open(self, piece: Piece, words: str) -> Iterator[Statement]:
        """A heading, unless it only divides what another one governs."""
        yield from self.release()
        above = self._heading
        new = _Heading(words, piece.indent, hashed=piece.text.startswith("#"), listed=piece.listed)
        inner = new.listed and above is not None and (not above.listed or new.indent > above.indent)
        if above is not None and inner and (above.denies or above.supposes or above.colours):
            above.sure, above.had_list, self._fate = False, True, None
            return
        self._heading, self._fate = new, None

    def _turn_held_into_heading(self, piece: Piece) -> None:
        """A line without a colon before a list: "The following are not seen" is its heading."""
        held = self._held
        if held is None or not piece.listed or (held.listed and piece.indent <= held.indent) or held.closed:
            return
        words = unmarked(held.text)
        if _is_generic(words) or re.search(r"\b(?:following|these|below|including|with|of)$|\bfollowing\b", words):
            self._heading, self._held = _Heading(words, held.indent, listed=held.listed), None
        elif _SUPPOSED.search(words):
            self._heading, self._held = _Heading(words, held.indent, listed=held.listed, sure=False), None

    def _governed(self, piece: Piece) -> _Heading | None:
        """The heading that a piece stands under; a heading ends where its list or its paragraph does."""
        above = self._heading
        if above is None or not piece.begins_line:
            return None
        if piece.listed:
            ends = above.listed and piece.indent <= above.indent
        elif above.hashed:
            ends = piece.apart and above.items > 0 and piece.closed
        else:
            ends = above.had_list or (piece.apart and above.items > 0)
        if ends:
            self._heading = self._fate = None
            return None
        above.items += 1
        above.had_list |= piece.listed
        return above

    def _item(self, heading: _Heading, words: str) -> Statement:
        """A piece under a heading without which it would say something else."""
        self._fate = True
        short = len(words.split()) <= _MOST_WORDS and not _VERB.search(words)
        if heading.supposes or not heading.sure or _is_value(words) or (heading.denies and not short):
            return Statement(words, lost=True)
        return Statement(f"{heading.words}: {_lowered(words)}")

    def _value(self, piece: Piece, words: str, governed: _Heading | None) -> Iterator[Statement]:
        """A bare value: of the heading or the line above, of the question before; else of nobody knows what."""
        held, self._fate = self._held, None
        if held is not None and held.closed and not piece.apart:
            self._held = None
            yield Statement(f"{unmarked(held.text)} {words}")
        elif held is not None and not piece.apart and (len(words.split()) == 1 or piece.listed):
            self._held = None
            yield Statement(f"{unmarked(held.text)}: {_lowered(words)}")
        elif governed is not None and governed.names:
            yield from self.release()
            yield Statement(f"{governed.words}: {_lowered(words)}")
        else:
            # "Cells" and below it "Not seen": a value of the cells, or the heading of what follows?
            sure = held is None or piece.apart
            if held is not None:
                yield Statement(unmarked(held.text), lost=not sure)
                self._held = None
            if denies(words) and piece.begins_line and words.rstrip(".!").lower() not in _ANSWERS:
                self._heading = _Heading(words, piece.indent, listed=piece.listed, sure=sure)
            else:
                yield Statement(words, lost=True)

    def _free(self, piece: Piece, words: str, governed: _Heading | None) -> Iterator[Statement]:
        """A piece that stands for itself."""
        yield from self.release()
        self._fate = None
        if _is_generic(words) and (
            not piece.closed or (denies(words) and re.search(r"\b(?:following|below)\b", words))
        ):
            self._heading = _Heading(words, piece.indent, listed=piece.listed)
        elif governed is not None and governed.names and len(words.split()) == 1:
            yield Statement(f"{governed.words}: {_lowered(words)}")
        elif _CROSSED.match(words):
            yield Statement(words, lost=True)
        elif (piece.begins_line and not piece.closed) or words.endswith("?"):
            self._held = piece
        else:
            yield Statement(words)

    def _row(self, row: str) -> Iterator[Statement]:
        """A row of two cells says one thing of another; the first row of a table may be its heading."""
        cells = [unmarked(cell) for cell in row.strip(" |").split("|")]
        above = self._heading
        if all(_is_generic(cell) and not _is_value(cell) for cell in cells):
            self._heading = _Heading(" ".join(cells), 0, sure=len(cells) == 2)
        elif _is_generic(cells[0]):
            self._heading = _Heading(" ".join(cells), 0, sure=False)
        elif len(cells) != 2 or not all(cells) or (above and (above.denies or above.supposes or not above.sure)):
            yield Statement(" ".join(cell for cell in cells if cell), lost=True)
        else:
            yield Statement(f"{cells[0].rstrip(':')}: {_lowered(cells[1])}")


def _is_heading(piece: Piece, words: str) -> bool:
    if words.endswith(":") or piece.text.startswith("#"):
        return True
    return piece.begins_line and _BOLD_LINE.fullmatch(piece.text) is not None and not piece.closed


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())


@lru_cache(maxsize=2048)
def _is_value(words: str) -> bool:
    """Whether nothing is said but how much of it there is; a remark in brackets is none."""
    bare = _words(re.sub(r"\([^()]*\)", "", words))
    return (
        0 < len(bare) <= _MOST_WORDS
        and all(w in _VALUES or w in _BESIDES for w in bare)
        and not _VALUES.isdisjoint(bare)
    )


@lru_cache(maxsize=2048)
def _is_generic(words: str) -> bool:
    """Whether there are words, but none that names a finding: "Features that are not seen", "Findings"."""
    known = [w in _VALUES or w in _BESIDES or w in _GENERIC for w in _words(words)]
    return bool(known) and all(known)


def _lowered(words: str) -> str:
    """With a small first letter, as in the middle of a sentence, but for names and abbreviations."""
    return words if _NAME.match(words) else words[:1].lower() + words[1:]
