"""What is no description, though something stands in its column."""

from __future__ import annotations

import unicodedata

_NOTHING = frozenset(
    {"na", "nan", "nil", "null", "none", "void", "empty", "missing", "undefined", "unknown", "tbd", "todo"}
    | {"nodescription", "notavailable", "notapplicable"}
)
"""What programs and people write where there is nothing, without signs and blanks: NaN, n/a, <NA>, #N/A, None."""


def is_description(text: str) -> bool:
    """Whether a text says something: it has a letter that is seen, and is none of the words for nothing."""
    letters = "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalpha())
    return bool(letters) and letters not in _NOTHING
