"""Models that think before they answer: what they thought aloud is no description, and is taken out.

A block of thought stands between marks, each family of models having its own. One that is not closed goes on to the
end. Where the first mark stood in the question and the answer holds the last one only, all before it was thought.
"""

from __future__ import annotations

import re

_NAMES = r"think|thinking|thoughts?|reason|reasoning|reflection|analysis|scratchpad|seed:think"
_MARK = re.compile(
    rf"(?P<open><(?:{_NAMES})>|\[think\]|◁think▷|<unused94>(?:thought)?|<\|channel\|?>\s*(?:analysis|thought)\b"
    r"(?:<\|message\|>)?|<\|begin_of_thought\|>|^[^\S\n]*thinking(?:\.\.\.|…)[^\S\n]*\n)"
    rf"|(?P<close></(?:{_NAMES})>|\[/think\]|◁/think▷|<unused95>|<\|channel\|>\s*final\b(?:<\|message\|>)?|<channel\|>"
    r"|<\|end_of_thought\|>|^[^\S\n]*(?:\.\.\.|…)\s?done thinking\.?)",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWER = re.compile(r"</?answer>|<\|(?:begin|end)_of_(?:box|solution)\|>", re.IGNORECASE)
_BEGINS_LIKE_THOUGHT = re.compile(
    r"\s*(?:ok(?:ay)?|alright|all right|hmm+|well|so|got it|wait|first|now)?[,.:]?\s*"
    r"(?:hmm+|wait|let me|let's|i need to|i should|i have to|i must|i'll|i'm asked|the (?:user|question|prompt|task)|"
    r"we (?:need|are asked|have|should|must))\b",
    re.IGNORECASE,
)
_OF_THE_USER = re.compile(r"[^.!?\n]{0,80}\b(?:the user|the prompt|we are asked|i'm asked)\b", re.IGNORECASE)
_ALOUD = re.compile(
    r"^(?:hmm+|wait|thinking)\b|\bthe user(?:'s)?\b|^actually, (?:no|wait|i)\b|\blet me (?:think|check|look)\b|"
    r"^(?:ok(?:ay)?|alright|so|now|first)?,?\s*"
    r"(?:let me(?! know)|let's|(?:i|we) (?:should|need to|must|have to))\b(?! note)",
    re.IGNORECASE,
)


def without_thought(text: str, *, ended: bool) -> tuple[str, bool]:
    """A text without what was thought aloud in it, and whether there was any.

    Parameters
    ----------
    text : str
        What the model has said so far, from its beginning.
    ended : bool
        False while more may follow: a text that begins as thoughts do, without a mark, is then held back as a whole,
        since a mark at its end may still say so.
    """
    spoken: list[str] = []
    start, inside, met = 0, False, False
    for mark in _MARK.finditer(text):
        met = True
        if not inside:
            # The end of a block that never began here: all so far was thought.
            spoken = [*spoken, text[start : mark.start()]] if mark["open"] else []
        inside = mark["open"] is not None
        start = mark.end()
    if not met and _BEGINS_LIKE_THOUGHT.match(text):
        if not ended:
            return "", False
        if _OF_THE_USER.match(text):
            return "", True
    if not inside:
        spoken.append(text[start:])
    return _ANSWER.sub("\n\n", "\n\n".join(spoken)), met


def is_thought(sentence: str) -> bool:
    """Whether a sentence, without a mark of any kind, is the model talking to itself."""
    return _ALOUD.search(sentence.replace("\u2019", "'")) is not None
