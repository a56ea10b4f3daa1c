"""What a model says beside the tile: the question given back, a refusal, facts that no tile can show."""

from __future__ import annotations

import re

from napari_mmlnb.describe.circles import plain
from napari_mmlnb.describe.layout import split_sentences

_LEAST_WORDS_OF_AN_ECHO = 5
_ASKED = re.compile(
    r"^(?:you are an? (?:\w+ )?(?:\w*pathologist|assistant|expert|doctor|physician|radiologist)|"
    r"(?:please )?describe (?:what|the (?:image|picture|tile|slide|findings)|this|in detail|only)|"
    r"(?:question|prompt|instructions?|task)\s*:)",
    re.IGNORECASE,
)


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_REFUSED = _any_of(
    r"\bas an? (?:\w+ )?(?:ai|artificial|language model|assistant|model)\b",
    r"\bi(?:'m| am) (?:just |only )?(?:an? )?(?:ai\b|sorry|unable|not able|not qualified)",
    r"\bi(?:'m| am) not an? (?:doctor|physician|pathologist|medical)",
    r"^(?:sorry|unfortunately),? |\bapologi[sz]e\b",
    r"\bi (?:cannot|can not|can't|could not|couldn't|won't|will not|do not|don't) (?:be able to )?"
    r"(?:help|assist|provide|diagnose|interpret|analy[sz]e|give|offer|comment|access|process|view|make|have access|"
    r"have the ability|(?:see|identify|open) (?:the|this|any|an) (?:image|picture|attachment))",
    r"\b(?:consult|contact|seek|see|refer to) (?:with )?(?:an? |the |your )?(?:\w+ ){0,3}"
    r"(?:pathologist|doctor|physician|professional|specialist|oncologist|advice|help)\b",
    r"\bnot (?:intended as |constitute )?(?:an? )?(?:substitute|replacement)\b|\bmedical advice\b",
    r"\bplease (?:provide|upload|share|note|consult)|\blet me know\b|\bfeel free\b|\bwould you like\b",
    r"\bif you (?:have|need|want|would|can)\b|\bi hope this\b",
)
_SITE = (
    r"(?:adrenal|suprarenal|abdom\w+|retroperiton\w+|mediastin\w+|thora(?:x|cic)|paraspinal|paravertebral|pelvi[cs]\w*|"
    r"cervical|neck|chest|liver|hepatic|kidney|renal|bone marrow|spinal|orbit\w*)"
)
_BEYOND = _any_of(
    r"\bpatients?\b|\b(?:boy|girl|toddler|newborn|his|her|he|she|mother|father|parents?|mr|mrs|ms)\b",
    r"\b(?:male|female|infant|child|man|woman)\b",
    r"\b\d+[- ](?:year|month|week|day)s?(?:[- ]old)?\b|\b(?:year|month)s?[- ]old\b|\bborn\b",
    r"\b(?:medical|family|past|known|surgical) history\b|\bhistory of\b|\bclinical\w*\b|\bsymptom\w*",
    r"\b(?:underwent|presented with|diagnosed (?:with|as|in)|chemotherapy|radiotherapy|treatment|therapy)\b",
    r"\b(?:prognos\w+|surviv\w+|relaps\w+|metasta\w+|catecholamines?|serum|imaging|mibg)\b",
    rf"\b{_SITE} (?:mass(?:es)?|tumou?rs?|lesions?|glands?|primary|neuroblastomas?|biops\w+|specimens?|origin)\b",
    rf"\b(?:from|in|of|within|at) (?:the )?(?:left |right )?{_SITE}(?: region)?(?=[,.;]|$)",
    r"\b(?:un)?favou?rable (?:histology|prognosis|outcome|group)\b|\b(?:high|low|intermediate)[- ]risk\b",
    r"\binss\b|\binrg\w*|\bstage (?:[1-4ivms]+)\b",
    r"\b(?:immuno\w+|synaptophysin|chromogranin|s-?100|phox2b|cd ?\d{2,3}|n-?mycn?|mycn|alk|ki-?67|nse)\b",
    r"\b(?:amplif|genetic|mutat|cytogenetic)\w*",
)


def echoes(sentence: str, prompt: str) -> bool:
    """Whether a sentence gives back what the model was asked, as a whole, in part, or before its own words.

    Parameters
    ----------
    sentence : str
        Of the model.
    prompt : str
        What it was asked; where that is not known, sentences that tell somebody to describe are still found.
    """
    if _ASKED.search(sentence):
        return True
    said, asked = plain(sentence), plain(prompt)
    if len(said.split()) >= _LEAST_WORDS_OF_AN_ECHO and f" {said} " in f" {asked} ":
        return True
    finished, rest = split_sentences(prompt)
    questions = [plain(part) for part in (*finished, rest)]
    return said in filter(None, questions) or any(
        len(q.split()) >= _LEAST_WORDS_OF_AN_ECHO and q in said for q in questions
    )


def refuses(sentence: str) -> bool:
    """Whether the model declines, excuses itself, or speaks to its reader instead of the tile."""
    return _REFUSED.search(sentence.replace("\u2019", "'")) is not None


def speaks_beyond_tile(sentence: str) -> bool:
    """Whether a sentence states what a picture of stained tissue cannot show.

    Age, sex, history, site and spread of a tumour, treatment and outcome, genes, and stains other than the tile's.
    """
    return _BEYOND.search(sentence) is not None
