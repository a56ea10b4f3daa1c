"""What an English sentence claims of findings that can be seen in a tile, and how much of them.

No grammar, but the few ways in which descriptions are written: an amount stands before its finding ("scant neuropil")
or after a verb ("neuropil is scant"), a negation reaches over a list ("no necrosis, haemorrhage or calcification").
Where a sentence can be read in two ways, or is hedged, nothing is claimed: a reader who finds nothing does no harm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType


class Finding(StrEnum):
    """What a sentence may speak of."""

    NEUROPIL = "neuropil"
    AMPLE_CYTOPLASM = "cells with ample cytoplasm"
    MKI = "mitosis-karyorrhexis index"
    MITOSES = "mitoses or karyorrhexis, one of the two"
    STROMA = "stroma"
    NECROSIS = "necrosis"
    BLOOD = "blood"
    NUCLEAR_SIZE = "nuclear size"
    CELLULARITY = "cellularity"
    ROSETTES = "rosettes"
    CALCIFICATION = "calcification"


class Amount(StrEnum):
    """How much of it; of sizes and densities SCANT is small or low, SOME medium, ABUNDANT large or high."""

    ABSENT = "absent"
    SCANT = "scant"
    SOME = "some"
    ABUNDANT = "abundant"
    PRESENT = "present"
    """There, and nothing said of how much."""


@dataclass(frozen=True)
class Claim:
    """One thing that a sentence says.

    Parameters
    ----------
    finding : Finding
    amounts : tuple of Amount
        What is said of it; several where any of them may be meant ("little or no").
    """

    finding: Finding
    amounts: tuple[Amount, ...]


_CELLS = r"(?:cells?|neuroblasts?|neurons?)"

# The longest match at a place wins, so that "necrotic debris" is one mention and "mitotic activity" no list of two.
_TERMS: dict[Finding, tuple[str, ...]] = {
    Finding.NEUROPIL: (
        r"neuropil(?:-like)?(?: (?:material|matrix|background|stroma))?",
        r"(?:neuro)?fibrill(?:ary|ar)(?: (?:material|matrix|background|meshwork|processes|stroma))?",
        r"neuritic processes",
    ),
    Finding.AMPLE_CYTOPLASM: (
        rf"differentiating (?:\w+ )?{_CELLS}",
        rf"gangli(?:on|onic|ocytic)(?:-like)? {_CELLS}",
        rf"{_CELLS} with (?:ample|abundant|plentiful|generous|much|copious|large amounts of) (?:\w+ )?cytoplasm",
        r"(?:ample|abundant|plentiful|generous|copious) (?:\w+ )?cytoplasm",
        r"cells more than twice their nucleus across",
    ),
    Finding.MKI: (
        r"mki",
        r"mitosis[- ]karyorrhexis index",
        r"mitotic[- ]karyorrhectic index",
        r"mitos[ei]s (?:and|or|and/or) karyorrhexis",
        r"mitotic (?:and|or|and/or) karyorrhectic (?:cells?|figures?|nuclei|activity)",
        r"dark clumped fragments",
    ),
    Finding.MITOSES: (
        r"mitotic (?:index|activity|rate|count|figures?|cells?)",
        r"mitos[ei]s",
        r"karyorrhe(?:xis|ctic)(?: (?:cells?|nuclei|debris|figures?|fragments?))?",
    ),
    Finding.STROMA: (
        r"(?:schwannian|schwann cell|fibrous|fibrovascular|collagenous|spindle cell|stromal?-like) "
        r"(?:stroma|bundles?|tissue|septa|bands?)",
        r"stroma(?:-like bundles)?",
        r"collagen(?: bundles?)?",
        r"fibrosis",
    ),
    Finding.NECROSIS: (r"necro(?:sis|tic)(?:-like)?(?: (?:debris|tissue|cells?|areas?|material|change|foci|focus))?",),
    Finding.BLOOD: (
        r"h(?:a)?emorrhag(?:e|es|ic)(?: (?:areas?|foci|focus))?",
        r"(?:fresh |extravasated )?blood(?:-like)?(?! vessels?)(?: (?:lakes?|areas?))?",
        r"(?:extravasated )?(?:erythrocytes|red (?:blood )?cells)",
    ),
    Finding.NUCLEAR_SIZE: (r"nuclear (?:size|diameter)", r"nuclei", r"nucleus"),
    Finding.CELLULARITY: (r"cellularity", r"nuclear density", r"cell(?:ular)? density"),
    Finding.ROSETTES: (r"(?:homer[- ]wright )?(?:pseudo)?rosettes?",),
    Finding.CALCIFICATION: (r"calcifi(?:cation|cations|ed)(?: (?:areas?|foci|focus))?", r"calcium deposits?"),
}

_IDIOMS: dict[str, tuple[Finding, Amount]] = {
    r"hypercellular|highly cellular|densely cellular|densely packed|tightly packed|closely packed": (
        Finding.CELLULARITY,
        Amount.ABUNDANT,
    ),
    r"moderately cellular": (Finding.CELLULARITY, Amount.SOME),
    r"hypocellular|sparsely cellular|paucicellular": (Finding.CELLULARITY, Amount.SCANT),
    r"(?:schwannian )?stroma[- ]poor": (Finding.STROMA, Amount.SCANT),
    r"(?:schwannian )?stroma[- ]rich": (Finding.STROMA, Amount.ABUNDANT),
    r"non-?necrotic": (Finding.NECROSIS, Amount.ABSENT),
    r"acellular": (Finding.CELLULARITY, Amount.SCANT),
}
"""Words that are finding and amount in one."""

_SEEN = r"(?:seen|present|identified|found|observed|evident|visible|noted|detected|recogni[sz]ed|apparent|appreciated)"
_NEARLY = r"(?:hardly|scarcely|barely|almost|nearly|virtually|practically|essentially)"
_AMOUNTS: dict[Amount, str] = {
    Amount.ABSENT: r"no|none|without|absent|absence|lacks?|lacking|devoid|free|neither|nor|nil|negative|"
    r"non-?existent|inapparent|invisible|imperceptible|undetectable|indiscernible|"
    rf"not (?:\w+ly )?{_SEEN}|(?:cannot|could not|can not) be {_SEEN}",
    Amount.SCANT: rf"{_NEARLY} (?:any|no|none|absent|non-?existent|invisible|{_SEEN}|free|devoid)|next to no|"
    r"paucity|dearth|scarcity|scarce|negligible|insignificant|infrequent|"
    r"scant|scanty|few|focal|focally|rare|rarely|sparse|sparsely|little|minimal|trace|traces|minor|"
    r"occasional|occasionally|isolated|low|slight|inconspicuous|limited|single|"
    r"small(?= (?:areas?|amounts?|quantit|foci|focus|zones?|numbers?|lakes?))",
    Amount.SOME: r"some|moderate|moderately|several|intermediate|partial|partly|medium",
    Amount.ABUNDANT: r"abundant|abundantly|abundance|much|many|extensive|extensively|numerous|marked|prominent|"
    r"plentiful|frequent|high|widespread|diffuse|diffusely|brisk|predominant|massive|copious|conspicuous|rich|"
    r"large(?= (?:areas?|amounts?|quantit|foci|zones?|numbers?|lakes?))",
}
_SIZES: dict[Amount, str] = {
    Amount.SCANT: r"small|tiny|small-sized",
    Amount.SOME: r"medium|medium-sized|intermediate|intermediate-sized|moderate",
    Amount.ABUNDANT: r"large|enlarged|big|very large",
}
"""Of nuclei: "many nuclei" says nothing of their size."""

_LEVELS = frozenset({Finding.NUCLEAR_SIZE, Finding.CELLULARITY, Finding.MKI})
"""Findings that are always there: only how large or high is a claim."""

_HEDGES = re.compile(
    r"\b(?:may|might|possibl[ey]|probabl[ey]|perhaps|suggest\w*|suspicious|suspected|cannot be excluded|"
    r"can(?:not|'t| not) exclude|would|could(?! not be)|questionable|unclear|uncertain|if|likely|unlikely|"
    r"equivocal|rather than|not only|"
    r"(?:typical|characteristic|diagnostic|indicative|reminiscent) (?:of|for)|resembl\w+|more|less|fewer|than|"
    r"expected|history|should)\b|\?"
)
_LIKENED = re.compile(r"\b(?:consistent|compatible|in keeping|in line|in accordance) with\b")
_BREAK = re.compile(
    r"[;.!]|\b(?:but|while|whereas|although|though|albeit|however|yet|except|despite|with)\b|(?=\bwithout\b)"
)
_JOIN = re.compile(r"^(?:\s|,|/|&|\band\b|\bor\b|\bnor\b|\bas well as\b)+$")
_CONNECTOR = re.compile(r",|/|&|\b(?:and|or|nor)\b")
_VERB = re.compile(
    rf"\b(?:is|are|was|were|be|appears?|seems?|remains?|looks?|shows?|{_SEEN}|very|quite|rather|only|here|there|to|"
    r"or|and|but|though|although|albeit|however|yet|it|they)\b|[:(),]"
)
_FILLER = re.compile(
    r"\b(?:of|for|the|a|an|any|very|quite|only|in|areas?|foc(?:us|i)|zones?|patch(?:es)?|amounts?|quantit(?:y|ies)|"
    r"numbers?|degrees?|evidence|signs?|clear|obvious|definite|significant|appreciable|convincing|recogni[sz]able|"
    r"unequivocal|fine|pink|pale|delicate|eosinophilic|basophilic|intercellular|background|coarse|dense|wispy|"
    r"cellular|tumou?r|coagulative|geographic|fresh|old|dark|clumped|atypical|uniform|round|oval|ovoid|"
    r"hyperchromatic|to|or|and|with|schwannian|fibrous|homer|wright|here|there|is|are|size|sized)\b|[,:-]"
)
_NEGATION = re.compile(
    r"\b(?:no|not|never|none|neither|nor|without|lack\w*|absen\w+|cannot|devoid|free|hardly|scarcely|barely)\b|n't\b"
)
_DOUBT = re.compile(
    r"\b(?:almost|nearly|virtually|practically|non-?\w+|paucity|dearth|scarc\w+|little|minority|poor(?:ly)?|reduc\w+|"
    r"decreas\w+|diminish\w+|loss|lost|loses|difficult\w*|hard to|fails?|replac\w+|instead|elsewhere|negligible|"
    r"in(?:apparent|visible|distinct|significant)|neighbou?ring|adjacent|obscur\w+|remnants?|typical\w*|usual\w*)\b|"
    r"\w-(?:poor|free)\b"
)
"""Where one of these stands, "present" is not said for sure."""
_PREDICATE = re.compile(
    r"\s*(?:is|are|was|were|appears?|seems?|remains?|looks?|becomes?)\b"
    rf"(?!\s+(?:(?:also|clearly|readily|easily|well|all|both|only|again|once)\s+)*(?:{_SEEN}|here|there)\b)"
)
"""Something is said of a finding, and not that it is seen."""
_TURN = re.compile(r"\b(?:but|though|although|albeit|however|yet)\b")
_PARTIAL = re.compile(
    r"\b(?:some|few|fewer|occasional\w*|scattered|several|isolated|individual\w*|rare\w*|single|singly|numerous|many|"
    r"focal\w*|"
    r"subset|minority|others?|among|amongst|amidst|one|two|three|both|certain|part(?:s|ly)?|number|proportion|sparse|"
    r"intermixed|interspersed|admixed|an?|half|third|frequent\w*)\b|%"
)
"""Of some of the nuclei: their size is not that of the tile."""
_OTHER_CELLS = re.compile(
    r"\b(?:lymph\w+|apopto\w+|pykno\w+|gangli\w+|endotheli\w+|fibro(?:blast|cyt)\w*|schwann\w*|stromal?|spindle\w*|"
    r"plasma|macrophag\w+|histiocyt\w+|erythro\w+|red (?:blood )?cells?|inflammatory|infiltrat\w+|mitotic|giant|"
    r"multinucleate\w*|necrotic|dying|degenerat\w+|karyorrhe\w+|neutrophils?|eosinophils|granulocytes?|mast|"
    r"vascular|vessels?|"
    r"differentiating|maturing|mature|elongated|bizarre)\b"
)
"""Cells beside the neuroblasts, whose nuclei are their own."""


_DENYING = re.compile(
    rf"{_NEGATION.pattern}|n't\b|\b(?:negativ\w*|exclu\w+|ruled? out|missing|unseen|undetected|unidentified)\b",
    re.IGNORECASE,
)


def denies(heading: str) -> bool:
    """Whether the heading of a list says that what stands under it is not there, or may say so.

    Parameters
    ----------
    heading : str
        English: "Not seen", "Negative findings".
    """
    return _DENYING.search(heading.replace("\u2019", "'")) is not None


def _compiled(words: dict[Amount, str]) -> dict[Amount, re.Pattern[str]]:
    return {amount: re.compile(rf"\b(?:{pattern})\b") for amount, pattern in words.items()}


_AMOUNT_PATTERNS = MappingProxyType(_compiled(_AMOUNTS))
_SIZE_PATTERNS = MappingProxyType(_compiled(_SIZES))
_TERM_PATTERNS = tuple(
    (finding, re.compile(rf"(?<![\w-]){term}(?![\w-])")) for finding, terms in _TERMS.items() for term in terms
)
_IDIOM_PATTERNS = tuple((re.compile(rf"(?<![\w-])(?:{idiom})(?!\w)"), *said) for idiom, said in _IDIOMS.items())


@dataclass(frozen=True)
class _Mention:
    finding: Finding
    start: int
    end: int
    fixed: Amount | None = None


def read_claims(sentence: str) -> tuple[Claim, ...]:
    """What a sentence claims, in its order; one that is not understood claims nothing.

    Parameters
    ----------
    sentence : str
        English.
    """
    text = re.sub(r"\s+", " ", sentence.lower().replace("\u2019", "'"))
    text = re.sub(r",? if any\b", " or none", text)
    text = _LIKENED.sub("resembling", text)
    heading, colon, items = text.partition(":")
    if colon and not _mentions(heading):
        if _HEDGES.search(heading):
            return ()
        if denies(heading):
            text = f"no {items.strip()}"
    mentions = _mentions(text)
    return tuple(claim for part in _parts(text, mentions) for claim in _claims_of(text, *part))


def _mentions(text: str) -> list[_Mention]:
    found = [_Mention(f, m.start(), m.end()) for f, pattern in _TERM_PATTERNS for m in pattern.finditer(text)]
    found += [_Mention(f, m.start(), m.end(), a) for pattern, f, a in _IDIOM_PATTERNS for m in pattern.finditer(text)]
    kept: list[_Mention] = []
    for mention in sorted(found, key=lambda m: (m.start, -m.end)):
        if not kept or mention.start >= kept[-1].end:
            kept.append(mention)
    return kept


def _parts(text: str, mentions: list[_Mention]) -> Iterator[tuple[int, int, list[_Mention]]]:
    """Clauses that do not govern each other, with their mentions."""
    cuts = [
        m
        for m in _BREAK.finditer(text)
        if not any(mention.start <= m.start() < mention.end for mention in mentions)
        # "3.5" is a number
        and not (m.group() == "." and m.end() < len(text) and text[m.end()].isdigit())
    ]
    ends = [*(cut.start() for cut in cuts[1:]), len(text)]
    cuts = [cut for cut, end in zip(cuts, ends, strict=False) if not _qualifies(text[cut.start() : end], mentions, cut)]
    edges = [0, *(edge for cut in cuts for edge in (cut.start(), cut.end())), len(text)]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        inside = [mention for mention in mentions if start <= mention.start and mention.end <= end]
        if inside:
            yield start, end, inside


def _qualifies(part: str, mentions: list[_Mention], cut: re.Match[str]) -> bool:
    """Whether what follows a "but" says how what stands before it is meant: "present, though scant"."""
    speaks = any(cut.start() <= mention.start < cut.start() + len(part) for mention in mentions)
    if speaks or not _TURN.match(part):
        return False
    rest = _VERB.sub("", _TURN.sub("", part, count=1)).strip(" ,.;")
    return any(p.match(rest) for p in _AMOUNT_PATTERNS.values()) or bool(_NEGATION.match(rest) or _DOUBT.match(rest))


def _claims_of(text: str, start: int, end: int, mentions: list[_Mention]) -> Iterator[Claim]:
    """The claims of a clause: each finding's own amount, or that of the list it stands in."""
    if _HEDGES.search(text[start:end]):
        return
    before, after = _surroundings(text, start, end, mentions)
    own = [_own_amounts(mention, pre, post) for mention, pre, post in zip(mentions, before, after, strict=True)]
    joined = [bool(_JOIN.match(text[left.end : right.start])) for left, right in pairwise(mentions)]
    said = _shared(text[start:end], own, joined)
    for mention, amounts in zip(mentions, said, strict=True):
        if mention.finding is Finding.NUCLEAR_SIZE and not _of_all_nuclei(text, end, mention):
            continue
        if amounts and not (mention.finding in _LEVELS and set(amounts) & {Amount.PRESENT, Amount.ABSENT}):
            yield Claim(mention.finding, amounts)


def _of_all_nuclei(text: str, end: int, mention: _Mention) -> bool:
    """Whether a size is said of the tile's nuclei: not of some of them, nor of those of another kind of cell."""
    begin = max(text.rfind(mark, 0, mention.start) for mark in ".;!") + 1
    said = text[begin:end]
    return not (text[mention.start : mention.end] == "nucleus" or _PARTIAL.search(said) or _OTHER_CELLS.search(said))


@dataclass(frozen=True)
class _Own:
    """Amounts before and after a mention; whether it is not understood; whether "and" joins it to the one before.

    Doubtful where something is said of it that is not understood, so that not even its presence is sure.
    """

    before: tuple[Amount, ...] = ()
    after: tuple[Amount, ...] = ()
    obscure: bool = False
    after_and: bool = False
    doubtful: bool = False


def _surroundings(text: str, start: int, end: int, mentions: list[_Mention]) -> tuple[list[str], list[str]]:
    """What may belong to each mention: the text before it and the text after it.

    Between two mentions the last connector parts what was said of the first from what is said of the second; without
    a connector a verb does.
    """
    before = [text[start : mentions[0].start]]
    after = []
    for left, right in pairwise(mentions):
        gap = text[left.end : right.start]
        connectors = list(_CONNECTOR.finditer(gap))
        cut = (
            connectors[-1].start() if connectors else (len(gap) if re.match(r"\s*(?:is|are|:|was|were)\b", gap) else 0)
        )
        after.append(gap[:cut])
        before.append(gap[cut:])
    after.append(text[mentions[-1].end : end])
    return before, after


def _own_amounts(mention: _Mention, before: str, after: str) -> _Own:
    if mention.fixed is not None:
        return _Own(obscure=True) if _NEGATION.search(f"{before} | {after}") else _Own(before=(mention.fixed,))
    patterns = _SIZE_PATTERNS if mention.finding is Finding.NUCLEAR_SIZE else _AMOUNT_PATTERNS
    ahead, clear_ahead = _near(before, patterns, _FILLER, at_end=True)
    behind, clear_behind = _near(after, patterns, _VERB, at_end=False)
    if not clear_ahead or not clear_behind or (ahead and behind and _NEGATION.search(before + " " + after)):
        return _Own(obscure=True)
    joined = bool(re.match(r"\s*,?\s*(?:and\b(?!/)|&)", before))
    return _Own(before=ahead, after=behind, after_and=joined, doubtful=bool(_PREDICATE.match(after)))


def _near(
    text: str, patterns: MappingProxyType[Amount, re.Pattern[str]], filler: re.Pattern[str], *, at_end: bool
) -> tuple[tuple[Amount, ...], bool]:
    """Amounts that only filling words part from the mention, and whether no negation stands beyond them."""
    marks = sorted(
        ((m.start(), m.end(), amount) for amount, pattern in patterns.items() for m in pattern.finditer(text)),
        reverse=at_end,
    )
    marks = [m for m in marks if not any(o != m and o[0] <= m[0] and m[1] <= o[1] for o in marks)]
    amounts: list[Amount] = []
    edge = len(text) if at_end else 0
    for start, end, amount in marks:
        if amounts and (end > edge if at_end else start < edge):
            continue  # part of a longer word that was taken already
        between = text[end:edge] if at_end else text[edge:start]
        if filler.sub("", between).strip(" ,"):
            break
        amounts.append(amount)
        edge = start if at_end else end
    rest = text[:edge] if at_end else text[edge:]
    clear = not _NEGATION.search(rest)
    if len(amounts) > 1 and Amount.ABSENT in amounts and not re.search(r"\b(?:to|or|if any)\b", text):
        clear = False  # "no extensive necrosis" is neither absent nor extensive
    return tuple(dict.fromkeys(amounts)), clear


def _shared(clause: str, own: list[_Own], joined: list[bool]) -> list[tuple[Amount, ...]]:
    """Each mention's amounts, with those that a list shares; empty where nothing can be said."""
    said: list[tuple[Amount, ...]] = []
    for i, here in enumerate(own):
        if here.obscure:
            said.append(())
        elif here.after or here.before:
            said.append(here.after or here.before)
        else:
            said.append(_inherited(i, clause, own, joined, said))
    return said


def _inherited(
    i: int, clause: str, own: list[_Own], joined: list[bool], said: list[tuple[Amount, ...]]
) -> tuple[Amount, ...]:
    """What a list says of a member that has no amount of its own."""
    last = i
    while last + 1 < len(own) and joined[last] and not own[last + 1].before and not own[last + 1].obscure:
        last += 1
        if own[last].after:
            return own[last].after
    if i and joined[i - 1] and Amount.ABSENT in said[i - 1]:
        # "no necrosis and neuropil ..." may go on either way; a comma or an "or" goes on with the negation.
        return () if own[i].after_and else said[i - 1]
    # Where something is denied in the clause, it may be this: a list may hold words that are not known here.
    unsure = _NEGATION.search(clause) or _DOUBT.search(clause) or own[last].doubtful
    return () if unsure else (Amount.PRESENT,)
