"""What a model said is judged before anyone sees it: sentence by sentence, and what is left out is named.

A sentence is kept word for word, without the marks of lists and emphasis around it. The judgement of a sentence depends
on itself and on those before it only, so that a text may be judged while it grows: what was kept stays.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from napari_mmlnb.describe.class_names import states_class
from napari_mmlnb.describe.language import is_foreign

EMPTY, GARBAGE, LANGUAGE, REPETITION = "empty", "garbage", "other language", "repetition"
CLASS_NAME, CUT_OFF, TIME_LIMIT = "class name", "cut off", "time limit"

FAULTS = MappingProxyType(
    {
        EMPTY: "The model said nothing.",
        GARBAGE: "The model gave characters or marks that are no sentence; they were left out.",
        LANGUAGE: "The model spoke another language than English; those sentences were left out.",
        REPETITION: "The model repeated itself; each sentence is given once.",
        CLASS_NAME: "The model named a class, which a description must not; those sentences were left out.",
        CUT_OFF: "The model reached the greatest length of an answer; its unfinished last sentence was left out.",
        TIME_LIMIT: "The model was stopped after the time that a tile may take; what it had finished saying is given.",
    }
)
"""Why words of a model were left out: name of the fault, and the same for people."""


@dataclass(frozen=True)
class Judgement:
    """What remains of a text.

    Parameters
    ----------
    sentences : tuple of str
        To be shown.
    faults : tuple of str
        Names in `FAULTS`, each once, in the order in which they were met.
    """

    sentences: tuple[str, ...]
    faults: tuple[str, ...]


def judge(text: str, forbidden: Sequence[str] = (), *, ended: bool = True, stopped: str = "") -> Judgement:
    """Keep the sentences that may be shown.

    Parameters
    ----------
    text : str
        What the model has said so far, from its beginning.
    forbidden : sequence of str
        Ids and labels of the classes.
    ended : bool
        False while more may follow: the last sentence is then not looked at, since it may be unfinished.
    stopped : str
        `CUT_OFF` or `TIME_LIMIT` where the model did not come to an end by itself: its last sentence is left out unless
        it ends as a sentence does. Empty where it did.
    """
    finished, rest = split_sentences(text)
    if ended and rest and (not stopped or _CLOSED.search(rest)):
        finished, rest = (*finished, rest), ""
    kept: dict[str, str] = {}
    faults: list[str] = []
    for raw in finished:
        if _HEADING.search(raw):
            continue
        sentence, looped = _first_turn(_closed(_unmarked(raw)))
        fault = next((name for name, has in _TESTS if has(sentence, forbidden, kept)), "")
        if not fault:
            kept[_plain(sentence)] = sentence
        faults += [name for name in (fault, looped and REPETITION) if name]
    if ended and (stopped == TIME_LIMIT or (stopped and rest)):
        faults.append(stopped)
    if ended and not kept and not faults:
        faults.append(EMPTY)
    return Judgement(tuple(kept.values()), tuple(dict.fromkeys(faults)))


def split_sentences(text: str) -> tuple[tuple[str, ...], str]:
    """The finished sentences of a text, and what stands after the last of them.

    A sentence ends with its line, or with . ! ? before white space; not after an abbreviation, an initial or the number
    of a list. A line that goes on with a small letter was only wrapped. Whatever might still go on is the rest.
    """
    sentences = []
    start = 0
    for end in _END.finditer(text):
        piece = text[start : end.start()] + (end["mark"] or "")
        if end["mark"] and "\n\n" not in end[0] and _ABBREVIATED.search(piece):
            continue
        if piece.strip():
            sentences.append(" ".join(piece.split()))
        start = end.end()
    return tuple(sentences), " ".join(text[start:].split())


_END = re.compile(r"(?P<mark>[.!?…。！？]+[\"'”’)\]*_]*)\s+(?=\S)|[^\S\n]*\n(?:\s*\n\s*(?=\S)|\s*(?=[^\sa-z]))")
_ABBREVIATED = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|cf|vs|approx|ca|figs?|dr|resp|incl|max|min|al|[A-Z])\.$|^\W*\d{1,3}\.$",
    re.IGNORECASE,
)
_CLOSED = re.compile(r"[.!?…。！？][\"'”’)\]*_]*$")
_HEADING = re.compile(r"^#|:[*_]*$|^[*_\-=\s]+$")
_MARKS = re.compile(r"^\s*(?:(?:[-*+•‣–>]|\(?\d{1,3}[.)])\s+)*|\*\*|__|(?<!\w)[*_](?=\w)|(?<=[\w.!?])[*_](?!\w)|`")


def _unmarked(sentence: str) -> str:
    """Without the marks of lists and emphasis."""
    return _MARKS.sub("", sentence).strip()


def _closed(sentence: str) -> str:
    """With a full stop where none is: sentences of a list go without."""
    return sentence if not sentence or _CLOSED.search(sentence) else sentence.rstrip(",;:") + "."


def _plain(sentence: str) -> str:
    """What makes a sentence the same as another: its words."""
    return " ".join(re.findall(r"[\w%]+", sentence.casefold()))


_MOST_WORDS_OF_A_TURN = 12
_LEAST_TURNS = 3


def _first_turn(sentence: str) -> tuple[str, bool]:
    """A sentence, and whether it runs in a circle: of one that does so from its beginning the first turn, else nothing.

    A circle is the same words at least three times in a row.
    """
    words = sentence.split()
    plain = [_plain(word) or word for word in words]
    for length in range(1, min(_MOST_WORDS_OF_A_TURN, len(words) // _LEAST_TURNS) + 1):
        run = 0
        for i in range(length, len(plain)):
            run = run + 1 if plain[i] == plain[i - length] else 0
            if run == length * (_LEAST_TURNS - 1):
                begins = i + 1 - length * _LEAST_TURNS == 0
                return (" ".join(words[:length]).rstrip(",;:. ") + "." if begins and length > 1 else ""), True
    return sentence, False


_MARKUP = re.compile(
    r"</?[A-Za-z|!][^<>]*>|<\||\|>|\[/?[A-Z]{3,}\]|\[/?IMG|```|\{\{|\}\}|[{}\\]|https?:|www\.|&[a-z]+;|^\s*[\[{]|[=~^$#@]{2,}"
)
_RUN = re.compile(r"[^\w\s]{4,}|\d{9,}|(\w)\1{4,}|\w{41,}")
_BAD_CATEGORIES = frozenset(("Cc", "Co", "Cs", "Cn"))
_VOWEL = re.compile("[aeiouyà-öø-ÿ]", re.IGNORECASE)


def _is_garbage(sentence: str) -> bool:
    """Control characters, markup and special tokens, runs of signs, hardly any words, or a torn-off last one."""
    if any(unicodedata.category(c) in _BAD_CATEGORIES or c == "\ufffd" for c in sentence):
        return True
    if _MARKUP.search(sentence) or _RUN.search(sentence):
        return True
    letters, signs = sum(c.isalpha() for c in sentence), sum(not c.isspace() for c in sentence)
    words = re.findall(r"[^\W\d_]+", sentence)
    # Of Latin words of four letters or more; abbreviations and other scripts have their own ways.
    long = [word for word in words if len(word) > 3 and word.isascii()]
    return (
        (len(words) == 1 and words[0].islower())
        or letters < 0.4 * signs
        or not any(len(word) > 1 for word in words)
        or 2 * sum(len(word) == 1 for word in words) > len(words)
        or 2 * sum(_VOWEL.search(word) is None for word in long) > len(long)
    )


_TESTS: tuple[tuple[str, Callable[[str, Sequence[str], Container[str]], bool]], ...] = (
    (REPETITION, lambda sentence, _, kept: not sentence or _plain(sentence) in kept),
    (CLASS_NAME, lambda sentence, forbidden, _: states_class(sentence, forbidden)),
    (GARBAGE, lambda sentence, *_: _is_garbage(sentence)),
    (LANGUAGE, lambda sentence, *_: is_foreign(sentence)),
)
"""What is asked of a sentence, in this order; the first that is true leaves it out."""
