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
   Not so where it is said of another tissue, straight before its cells ("undifferentiated mesenchymal cells").
6. Of a name of two words the second may follow a little later ("poorly to moderately differentiated"), or come first
   as a noun ("differentiation is poor"); one letter of a long word may be wrong ("undifferenciated").
7. A number straight after "class", "subtype", "category", "label" or "diagnosis" is that of a class ("class 0").
8. A past participle may be cut short before a full stop ("poorly diff.", "undiff."), and a short id may be joined to NB
   for neuroblastoma ("PDNB"). PD-1 and PD-L1 are proteins.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

_HYPHENS = re.compile("[-_\u00ad\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_WORD = re.compile(r"[^\W_]+|[^\w\s]")
_UN = re.compile(r"\bun\s+(?=[a-z])")
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
_NUMBERED_NOUNS = _set("class subtype category label diagnosis")
_LINKS = _set(
    """
    is are was be being of as the a an to likely probably here there would could may might best most seems appears this
    considered called named assigned : = ( " '
    """
)
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
_LOOKS = _set("appearing looking like shaped")
_OTHER_TISSUE = _LOOKS | _set("mesenchymal stromal spindle spindled fibroblastic")
_OTHER_CELLS = _set("cells elements mesenchyme stroma")
_BETWEEN = _set(
    "to or and moderately very only i e incompletely somewhat partly minimally degree of no not at best , ( ) ."
)
"""Words that may stand between the two of a name."""
_SAID_OF = _set("is are was remains appears seems looks very rather quite only of the tumour tumor overall here :")
_ENDS = _set("and or but in throughout here overall at best to , . ; ) !")
_MOST_APART = 10
_LEAST_MISSPELT = 9
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
    # A hyphen either joins or parts: "un-differentiated", "poorly-differentiated"; "un" is no word of its own.
    folded = _UN.sub("un", _folded(sentence))
    readings = {tuple(_words(_HYPHENS.sub(to, folded))) for to in ("", " ")}
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
        return _states_phrase(_uncut(words, name), name)
    only, words = name[0], _uncut(words, name)
    if len(only) <= _LONGEST_ID and only + _DISEASE in words:
        return True
    numbered = any(
        word.isdigit() and len(word) == 1 and _follows(words, i, _NUMBERED_NOUNS) for i, word in enumerate(words)
    )
    places = [i for i, word in enumerate(words) if _same(word, only)]
    if len(only) == 1:
        return numbered or any(_follows(words, place, _CLASS_NOUNS) for place in places)
    if only.endswith("ing"):
        return numbered or any(not _of_cells(words, place) for place in places)
    return numbered or any(not _of_other_tissue(words, place) for place in places)


def _uncut(words: Sequence[str], name: tuple[str, ...]) -> list[str]:
    """The words; a past participle of the name that is cut short before a full stop is made whole."""
    participles = [part for part in name if part.endswith("ed")]
    return [
        next((part for part in participles if len(word) >= _LEAST_STEM and part.startswith(word)), word)
        if "." in words[i + 1 : i + 2]
        else word
        for i, word in enumerate(words)
    ]


def _states_phrase(words: Sequence[str], name: tuple[str, ...]) -> bool:
    """Whether a name of several words is there, with any endings; of two words also a little apart, or turned round."""
    sought = [_stem(word) for word in name]
    bare = [_stem(word) for word in words if word.isalnum()]
    if any(_all_same(bare[i : i + len(sought)], sought) for i in range(len(bare) - len(sought) + 1)):
        return True
    if len(name) != 2:
        return False
    stems = [_stem(word) for word in words]
    first, second = ([i for i, stem in enumerate(stems) if _same(stem, part)] for part in sought)
    apart = any(i < j <= i + _MOST_APART and _BETWEEN.issuperset(words[i + 1 : j]) for i in first for j in second)
    return apart or any(
        words[j].endswith("ation")
        and j < i <= j + _MOST_APART
        and _SAID_OF.issuperset(words[j + 1 : i])
        and (i + 1 == len(words) or words[i + 1] in _ENDS)
        for i in first
        for j in second
    )


def _all_same(words: Sequence[str], sought: Sequence[str]) -> bool:
    return len(words) == len(sought) and all(map(_same, words, sought))


def _same(word: str, sought: str) -> bool:
    """Whether two words are the same; of long ones one letter may be wrong, missing or too many."""
    if word == sought or min(len(word), len(sought)) < _LEAST_MISSPELT or abs(len(word) - len(sought)) > 1:
        return word == sought
    i = next((i for i, (a, b) in enumerate(zip(word, sought, strict=False)) if a != b), min(len(word), len(sought)))
    return word[i + 1 :] == sought[i + 1 :] or word[i:] == sought[i + 1 :] or word[i + 1 :] == sought[i:]


def _of_other_tissue(words: Sequence[str], place: int) -> bool:
    """Whether the word there is said of cells that are none of the tumour's."""
    after = place + 1
    while after < len(words) and words[after] in _OTHER_TISSUE:
        after += 1
    named = not _LOOKS.issuperset(words[place + 1 : after])
    return named and after < len(words) and words[after] in _OTHER_CELLS


def _follows(words: Sequence[str], place: int, nouns: frozenset[str]) -> bool:
    before = place - 1
    while before >= 0 and words[before] in _LINKS:
        before -= 1
    return before >= 0 and words[before] in nouns


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
