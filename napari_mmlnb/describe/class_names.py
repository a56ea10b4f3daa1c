"""Whether a sentence states the class.

1. Names are the classes' ids and labels. Case, hyphens (also within a word: "un-differentiated"), spaces, punctuation
   and invisible characters make no difference. Only whole words count.
2. A name of several words counts with any ending of its words: "poorly differentiated" also as "poor differentiation".
3. A name of one letter is no word. It counts only straight after "class", "subtype", "type", "category", "grade",
   "group", "label" or "diagnosis" ("Subtype: D").
4. A name that is one present participle ("differentiating") says what something does, and that may be a finding: it is
   one where it is said of cells, that is straight before them ("differentiating cells", "differentiating ganglion
   cells") or straight after them ("cells that are differentiating"). Said of anything else (tumour, neuroblastoma,
   subtype, "this is differentiating") it states the class.
5. Any other name states it of cells too ("undifferentiated cells"): it says of them what the class says of the tumour.
   Only of mesenchyme, which is no tumour here, it does not ("undifferentiated mesenchymal stroma").
6. A past participle may be cut short before a full stop ("poorly diff.", "undiff."), and a short id may be joined to NB
   for neuroblastoma ("PDNB"). PD-1 and PD-L1 are proteins.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

_HYPHENS = re.compile("[-_\u00ad\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_WORD = re.compile(r"[^\W_]+|[^\w\s]")
_ENDINGS = ("iation", "iating", "iated", "iate", "ation", "ating", "ated", "ate", "ion", "ing", "ed", "ly", "s")
_LEAST_STEM = 4
_PROTEINS = re.compile(rf"(?<!\w)pd(?:{_HYPHENS.pattern})?(?:1|l[12])(?!\w)")
_LONGEST_ID, _DISEASE = 3, "nb"


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CLASS_NOUNS = _set(
    """
    class subtype type category grade group label diagnosis classes subtypes types categories grades groups labels
    """
)
_LINKS = _set("is are was be being of as the a an to likely probably : = ( \" '")
"""Words and signs that may stand between the noun and the letter."""
_CELLS = _set(
    """
    cell cells neuroblast neuroblasts neurocyte neurocytes neuron neurons ganglioblast ganglioblasts ganglionocyte
    ganglionocytes element elements
    """
)
_KINDS_OF_CELLS = _set(
    """
    neuroblastic neuronal neural ganglion ganglionic ganglionlike like tumour tumor small large round immature scattered
    individual single
    """
)
"""Words that may stand between the participle and the cells."""
_MESENCHYME = _set("mesenchyme mesenchymal")
_VERBS = _set("is are was were appear appears seem seems look looks be to that which partly focally not")


def states_class(sentence: str, forbidden: Sequence[str]) -> bool:
    """Whether a sentence names one of the classes, by the rule above.

    Parameters
    ----------
    sentence : str
        Of any language and form.
    forbidden : sequence of str
        Ids and labels of the classes.
    """
    # A hyphen either joins or parts: "un-differentiated", "poorly-differentiated".
    readings = {tuple(_words(_HYPHENS.sub(to, _folded(sentence)))) for to in ("", " ")}
    return any(_states(words, name) for words in readings for name in _names(tuple(forbidden)))


@lru_cache(maxsize=32)
def _names(forbidden: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    names = {
        tuple(w for w in _words(_HYPHENS.sub(to, _folded(name))) if w.isalnum())
        for name in forbidden
        for to in ("", " ")
    }
    return tuple(sorted(name for name in names if name))


def _states(words: Sequence[str], name: tuple[str, ...]) -> bool:
    if len(name) > 1:
        bare = [place for place, word in enumerate(words) if word.isalnum()]
        runs = (bare[i : i + len(name)] for i in range(len(bare) - len(name) + 1))
        return any(all(_is_form(words, at, part) for at, part in zip(run, name, strict=True)) for run in runs)
    only = name[0]
    if len(only) <= _LONGEST_ID and only + _DISEASE in words:
        return True
    places = [i for i, word in enumerate(words) if word == only or _is_cut(words, i, only)]
    if len(only) == 1:
        return any(_follows_class_noun(words, place) for place in places)
    if only.endswith("ing"):
        return any(not _of_cells(words, place) for place in places)
    return any(not set(words[place + 1 : place + 2]) & _MESENCHYME for place in places)


def _is_form(words: Sequence[str], place: int, part: str) -> bool:
    """Whether the word there is this one, with any ending or cut short."""
    return _stem(words[place]) == _stem(part) or _is_cut(words, place, part)


def _is_cut(words: Sequence[str], place: int, participle: str) -> bool:
    """Whether the word there is this past participle, cut short before a full stop."""
    word = words[place]
    whole = participle.endswith("ed") and participle.startswith(word) and len(word) >= _LEAST_STEM
    return whole and word != participle and "." in words[place + 1 : place + 2]


def _follows_class_noun(words: Sequence[str], place: int) -> bool:
    before = place - 1
    while before >= 0 and words[before] in _LINKS:
        before -= 1
    return before >= 0 and words[before] in _CLASS_NOUNS


def _of_cells(words: Sequence[str], place: int) -> bool:
    """Whether the word there is said of cells: straight before them, or after them with a verb in between."""
    after = place + 1
    while after < len(words) and words[after] in _KINDS_OF_CELLS:
        after += 1
    if after < len(words) and words[after] in _CELLS:
        return True
    before = place - 1
    while before >= 0 and words[before] in _VERBS:
        before -= 1
    return 0 <= before < place - 1 and words[before] in _CELLS


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _folded(text: str) -> str:
    """Without case, accents of compatibility, characters that are not seen, and proteins that look like a class."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    seen = "".join(c for c in plain if unicodedata.category(c) != "Cf" or c == "\u00ad")
    return _PROTEINS.sub(" ", seen)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _LEAST_STEM:
            return word[: -len(ending)]
    return word
