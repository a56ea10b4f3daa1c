"""Texts that name a class: they would teach the describing model to answer in the classifier's place."""

from __future__ import annotations

import re
from collections.abc import Mapping

from napari_mmlnb.describe.class_names import states_class

_SHORT = 2
"""Ids of so many letters are abbreviations: they count in capitals only ("PD")."""
_SENTENCES = re.compile(r"(?<=[.!?])\s+")


class ClassWords:
    """Finds the ids and labels of classes in a text, as whole words, where they stand for the class.

    What stands for a class is the describers' own rule (`describe.class_names`): "differentiating cells" are a finding,
    a "differentiating tumour" is a class.

    Parameters
    ----------
    classes : mapping of str to str
        Id to label. Single letters and numbers are no names.
    """

    def __init__(self, classes: Mapping[str, str]) -> None:
        self._forbidden = tuple(name for pair in classes.items() for name in pair)
        names = {name.strip() for pair in classes.items() for name in pair}
        names = {name for name in names if len(name) >= _SHORT and not name.isdigit()}
        words = [_whole(name.replace("_", " ")) for name in sorted(names) if len(name) > _SHORT]
        short = [_whole(name.upper()) for name in sorted(names) if len(name) == _SHORT]
        self._words = re.compile("|".join(words), re.IGNORECASE) if words else None
        self._short = re.compile("|".join(short)) if short else None

    def named(self, text: str) -> str:
        """The first one that the text names, as written there; empty where it names none."""
        for sentence in _SENTENCES.split(text):
            found = [pattern.search(sentence) for pattern in (self._words, self._short) if pattern is not None]
            word = next((match.group() for match in found if match), "")
            if word and states_class(sentence, self._forbidden):
                return word
        return ""


def _whole(name: str) -> str:
    spaced = r"[\s_-]+".join(re.escape(part) for part in re.split(r"[\s-]+", name))
    return rf"(?<![\w-]){spaced}(?![\w-])"
