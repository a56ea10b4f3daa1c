"""What a model said is judged before anyone sees it: sentence by sentence, and what is left out is named.

A sentence is kept word for word, without the marks of lists and emphasis around it, and together with its heading
where it would say something else without. The judgement of a sentence depends on itself and on those before it only, so
that a text may be judged while it grows: what was kept stays. (But for one case: a mark that all so far was thought.)
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from napari_mmlnb.describe.asides import echoes, refuses, speaks_beyond_tile
from napari_mmlnb.describe.circles import first_turn, plain
from napari_mmlnb.describe.class_names import states_class
from napari_mmlnb.describe.language import is_foreign
from napari_mmlnb.describe.layout import closed, pieces_of
from napari_mmlnb.describe.outline import statements
from napari_mmlnb.describe.thought import is_thought, without_thought

EMPTY, GARBAGE, LANGUAGE, REPETITION = "empty", "garbage", "other language", "repetition"
CLASS_NAME, CUT_OFF, TIME_LIMIT = "class name", "cut off", "time limit"
LOOSE, THOUGHT, ECHO, REFUSAL = "list without its heading", "thought aloud", "echo of the question", "refusal"
BEYOND, TOO_LONG = "beyond the tile", "too long"

FAULTS = MappingProxyType(
    {
        EMPTY: "The model said nothing.",
        GARBAGE: "The model gave characters or marks that are no sentence; they were left out.",
        LANGUAGE: "The model spoke another language than English; those sentences were left out.",
        REPETITION: "The model repeated itself; each sentence is given once.",
        CLASS_NAME: "The model named a class, which a description must not; those sentences were left out.",
        CUT_OFF: "The model reached the greatest length of an answer; its unfinished last sentence was left out.",
        LOOSE: "The model gave a list or a table whose entries say nothing sure by themselves; they were left out.",
        THOUGHT: "The model thought aloud; its thoughts were left out.",
        ECHO: "The model gave back what it was asked; that was left out.",
        REFUSAL: "The model declined to answer, or spoke of itself; those sentences were left out.",
        BEYOND: "The model spoke of what no tile can show, such as the patient; those sentences were left out.",
        TOO_LONG: "The model said more than is read; the rest was left out.",
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


MOST_CHARACTERS = 32_000
"""Of an answer, thoughts and all; twice what the longest one that may be asked for (4096 tokens) holds."""


def judge(
    text: str, forbidden: Sequence[str] = (), *, ended: bool = True, stopped: str = "", prompt: str = ""
) -> Judgement:
    """Keep the sentences that may be shown.

    Parameters
    ----------
    text : str
        What the model has said so far, from its beginning; not more than `MOST_CHARACTERS` of it are read.
    forbidden : sequence of str
        Ids and labels of the classes.
    ended : bool
        False while more may follow: the last sentence is then not looked at, since it may be unfinished.
    stopped : str
        `CUT_OFF` or `TIME_LIMIT` where the model did not come to an end by itself: its last sentence is left out unless
        it ends as a sentence does. Empty where it did.
    prompt : str
        What the model was asked; its sentences are no finding when the model gives them back.
    """
    return _judge(text[: MOST_CHARACTERS + 1], tuple(forbidden), ended, stopped, prompt)


@lru_cache(maxsize=16)
def _judge(text: str, forbidden: tuple[str, ...], ended: bool, stopped: str, prompt: str) -> Judgement:
    """The same of what is read of a text; remembered, since what grows beyond that is asked for again and again."""
    whole = len(text) <= MOST_CHARACTERS
    spoken, thought = without_thought(text[:MOST_CHARACTERS], ended=ended)
    faults = [name for name, is_so in ((THOUGHT, thought), (TOO_LONG, not whole)) if is_so]
    finished, rest = pieces_of(spoken)
    torn = bool(rest.text)
    if ended and rest.text and ((whole and not stopped) or rest.closed):
        finished, torn = (*finished, rest), False
    kept: dict[str, str] = {}
    for said in statements(finished, ended=ended):
        sentence, looped = first_turn(closed(said.text))
        fault = LOOSE if said.lost else _fault(sentence, looped, kept, forbidden, prompt)
        if not fault:
            kept[plain(sentence)] = sentence
        faults += [name for name in (fault, looped and REPETITION) if name]
    if ended and (stopped == TIME_LIMIT or (stopped and torn)):
        faults.append(stopped)
    if ended and not kept and not faults:
        faults.append(EMPTY)
    return Judgement(tuple(kept.values()), tuple(dict.fromkeys(faults)))


def _fault(sentence: str, looped: bool, kept: Container[str], forbidden: tuple[str, ...], prompt: str) -> str:
    """Why a sentence is left out; empty where it may be shown."""
    if (looped and not sentence) or plain(sentence) in kept:
        return REPETITION
    return _own_fault(sentence, forbidden, prompt)


@lru_cache(maxsize=1024)
def _own_fault(sentence: str, forbidden: tuple[str, ...], prompt: str) -> str:
    """The same, whatever was said before: the first test that is met. Remembered while the text grows."""
    return next((name for name, has in _TESTS if has(sentence, forbidden, prompt)), "")


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


_TESTS: tuple[tuple[str, Callable[[str, tuple[str, ...], str], bool]], ...] = (
    (ECHO, lambda sentence, _, prompt: echoes(sentence, prompt)),
    (CLASS_NAME, lambda sentence, forbidden, _: states_class(sentence, forbidden)),
    (GARBAGE, lambda sentence, *_: _is_garbage(sentence)),
    (LANGUAGE, lambda sentence, *_: is_foreign(sentence)),
    (THOUGHT, lambda sentence, *_: is_thought(sentence)),
    (REFUSAL, lambda sentence, *_: refuses(sentence)),
    (BEYOND, lambda sentence, *_: speaks_beyond_tile(sentence)),
)
"""What is asked of a sentence, in this order; the first that is true leaves it out."""
