"""Texts that name a class: they would teach a network to read the answer, and a describing model to give it.

What names a class is the describers' own rule (`describe.class_names`), for what is learned from must be what they may
say: "differentiating cells" are a finding, a "differentiating tumour" is a class.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from napari_mmlnb.describe.class_names import states_class
from napari_mmlnb.errors import RequestError

USUAL_LABELS = {"ud": "undifferentiated", "pd": "poorly differentiated", "d": "differentiating"}
"""What the ids of neuroblastoma's subtypes stand for, where a configuration has ids alone."""
_SHOWN = 5
_SENTENCES = re.compile(r"(?<=[.!?])\s+")


class ClassWords:
    """Finds the ids and labels of classes in a text, where they stand for the class.

    Parameters
    ----------
    classes : mapping of str to str
        Id to label. Numbers of several digits are no names: they would be found in any count.
    """

    def __init__(self, classes: Mapping[str, str]) -> None:
        names = dict.fromkeys(name.strip() for pair in classes.items() for name in pair)
        self._forbidden = tuple(name for name in names if name and not (name.isdecimal() and len(name) > 1))
        by_length = sorted(self._forbidden, key=len, reverse=True)
        self._written = [(name, _whole(name)) for name in by_length if len(name) > 1]

    @property
    def forbidden(self) -> tuple[str, ...]:
        """The ids and labels, as the describers take them."""
        return self._forbidden

    def named(self, text: str) -> str:
        """The first one that the text names, as written there where it is written in full; empty where none is."""
        for sentence in _SENTENCES.split(text):
            if states_class(sentence, self._forbidden):
                return self._as_written(sentence)
        return ""

    def _as_written(self, sentence: str) -> str:
        stated = [name for name in self._forbidden if states_class(sentence, (name,))]
        found = (pattern.search(sentence) for name, pattern in self._written if name in stated)
        return next((match.group() for match in found if match), stated[0] if stated else "")


def usual_classes(class_ids: Sequence[str]) -> dict[str, str]:
    """Ids with the labels that they usually have; with themselves where they have none."""
    return {name: USUAL_LABELS.get(name.casefold(), name) for name in class_ids}


def refuse_named(texts: Iterable[tuple[int, str]], words: ClassWords, table: Path) -> None:
    """Refuse a table whose descriptions name a class.

    Parameters
    ----------
    texts : iterable of (int, str)
        Lines, and the descriptions there.
    words : ClassWords
        Of the classes.
    table : Path
        For the message.

    Raises
    ------
    RequestError
        With how many do, and the first of them by line and word.
    """
    named = [(line, words.named(text)) for line, text in texts]
    found = [f"line {line} ({word!r})" for line, word in named if word]
    if found:
        raise RequestError(
            f"{len(found)} of {len(named)} descriptions in {table.name} name a class: {', '.join(found[:_SHOWN])}"
            f"{', ...' if len(found) > _SHOWN else ''}.",
            "Say what is seen and leave the class to the column class; or set class_words: allow, where such a word "
            "is morphology.",
        )


def _whole(name: str) -> re.Pattern[str]:
    spaced = r"[\s_-]+".join(re.escape(part) for part in re.split(r"[\s_-]+", name))
    return re.compile(rf"(?<!\w){spaced}(?!\w)", re.IGNORECASE)
