"""How near a text comes to the true one, and what is wrong with it by itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_WORDS = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\d+(?:[.,]\d+)*|[^\W\d\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)
_ENDS = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
_REPEATS = 3


def words(text: str) -> list[str]:
    """Words and numbers in lower case, without signs; Chinese, Japanese and Korean by character."""
    return _WORDS.findall(text.casefold())


def sentences(text: str) -> list[str]:
    """Sentences, stripped; those without a word are none."""
    return [part.strip() for part in _ENDS.split(text.strip()) if words(part)]


def token_f1(said: str, truth: str) -> float:
    """Harmonic mean of precision and recall over words, each counted as often as it occurs (Rajpurkar, 2016)."""
    a, b = words(said), words(truth)
    return _f1(sum((Counter(a) & Counter(b)).values()), len(a), len(b))


def rouge_l(said: str, truth: str) -> float:
    """ROUGE-L: F1 over the longest common subsequence of words (Lin, 2004)."""
    a, b = words(said), words(truth)
    return _f1(_longest_common(a, b), len(a), len(b))


def sentence_f1(said: str, truth: str) -> float:
    """F1 over sentences that are the same word for word."""
    a, b = (Counter(" ".join(words(one)) for one in sentences(text)) for text in (said, truth))
    return _f1(sum((a & b).values()), a.total(), b.total())


def faults(text: str, *, finished: bool, class_word: str) -> tuple[str, ...]:
    """What is wrong with a text, whatever the truth is.

    Parameters
    ----------
    text : str
        What a model wrote.
    finished : bool
        Whether it ended by itself.
    class_word : str
        A class that it names; empty where none.

    Returns
    -------
    tuple of str
        Of "empty", "unfinished", "repeats itself" and "names a class"; empty where nothing is wrong.
    """
    told = Counter(" ".join(words(one)) for one in sentences(text))
    found = {
        "empty": not told,
        "unfinished": not finished,
        "repeats itself": max(told.values(), default=0) >= _REPEATS,
        "names a class": bool(class_word),
    }
    return tuple(name for name, is_so in found.items() if is_so)


def _longest_common(a: Sequence[str], b: Sequence[str]) -> int:
    row = [0] * (len(b) + 1)
    for word in a:
        before = 0
        for at, other in enumerate(b, start=1):
            before, row[at] = row[at], before + 1 if word == other else max(row[at], row[at - 1])
    return row[-1]


def _f1(common: int, said: int, true: int) -> float:
    """Two empty sides agree."""
    return 2 * common / (said + true) if said + true else 1.0
