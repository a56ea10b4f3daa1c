"""Words that run in a circle, as a small model's do when it has lost the thread."""

from __future__ import annotations

import re
from functools import lru_cache

MOST_WORDS_OF_A_TURN = 40
LEAST_TURNS = 3
_LEAST_TO_BE_SHORT = 5


@lru_cache(maxsize=2048)
def plain(sentence: str) -> str:
    """What makes a sentence the same as another: its words."""
    return " ".join(re.findall(r"[\w%]+", sentence.casefold()))


@lru_cache(maxsize=2048)
def first_turn(sentence: str) -> tuple[str, bool]:
    """A sentence, and whether it runs in a circle: of one that does so from its beginning the first turn, else nothing.

    A circle is the same words, up to `MOST_WORDS_OF_A_TURN`, at least `LEAST_TURNS` times in a row. The time that this
    takes grows with the number of words, not with its square.
    """
    words = sentence.split()
    same = [plain(word) or word for word in words]
    for length in range(1, min(MOST_WORDS_OF_A_TURN, (len(words) + 1) // LEAST_TURNS) + 1):
        # "A and A and A": the word that joins the turns is missing after the last one.
        enough = length * (LEAST_TURNS - 1) - (length >= _LEAST_TO_BE_SHORT)
        run = 0
        for i in range(length, len(same)):
            run = run + 1 if same[i] == same[i - length] else 0
            if run == enough:
                begins = i + 1 - length - enough == 0
                return (_ended(words[:length]) if begins and length > 1 else ""), True
    return sentence, False


def _ended(turn: list[str]) -> str:
    """A turn as a sentence, without the word that led to the next one."""
    if len(turn) > 1 and plain(turn[-1]) in ("and", "or", "with", "then"):
        turn = turn[:-1]
    return " ".join(turn).rstrip(",;:. ") + "."
