"""Paths in what other programs say: found in settings and sentences, and left out of what is passed on.

A folder or a file is often called after a patient. Too much is left out rather than too little; the record on the
user's own disk has it all.
"""

from __future__ import annotations

import re

WITHHELD = "(withheld)"

# A word that is a path or the name of a file. Versions (1.0.2), units (um/px) and types (torch.float16) do not match.
_PATH = re.compile(
    r"^(?:file://|/|~|\.{1,2}[/\\]|[A-Za-z]:[/\\]|\\\\)"
    r"|[^/\\]\.(?:[A-Za-z][A-Za-z0-9]{1,3}|geojson|safetensors)$"
    r"|[/\\].*[/\\]"
)

# What a server answers under is no path, nor is "about" before a number.
_OTHER = re.compile(r"^(?:https?://|~\d|/v1(?:/chat/completions|/models)?$|[/\\~]$)")

# A path from a root on goes to the end of its clause: folders with blanks have no other end.
_ROOTED = re.compile(
    r"""
    (?<! [^\s"'`(\[{=:,;|] )                            # where a word begins
    (?! /v1(?:/chat/completions|/models)?(?![\w/\\]) )
    (?: file:/ | ~?/(?![/\s]) | ~\\ | \.{1,2}[/\\] | [A-Za-z]:[/\\](?!/) | \\\\ )
    .*?
    (?= ["`)\]}>;,|\n] | '(?!\w)
      | (?<!\bdr)(?<!\bprof)(?<!\bst)(?<!\bmed)(?<!\bnr)(?<!\b\w)[.](?:\s|$) | [!?:](?:\s|$) | $ )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_WORD = re.compile(r"""(?<!<)[^\s"'`()\[\]{}<>,;|=]+""")


def is_path(text: str) -> bool:
    """Whether a whole text, a setting for example, is a path or the name of a file."""
    return _PATH.search(text) is not None


def last_part(path: str) -> str:
    """The last part of a path of any system; of what is none, the whole."""
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def without_paths(text: str) -> str:
    """A sentence of somebody else's with every path and file name in it withheld.

    Parameters
    ----------
    text : str
        What a program or a server told.

    Returns
    -------
    str
        Addresses of servers stay. A path that begins at a root takes the rest of its clause with it.
    """
    rest, rooted = _ROOTED.subn(WITHHELD, text)

    def word(found: re.Match[str]) -> str:
        bare = found[0].rstrip(".:!?")
        # Beside a path, any word with a separator may be a part of it that was torn off.
        telling = is_path(bare) or (rooted and re.search(r"\w[/\\]\w", bare))
        return found[0] if _OTHER.match(bare) or not telling else WITHHELD + found[0][len(bare) :]

    return _WORD.sub(word, rest)
