"""Whether a sentence is English, as far as a few words can tell.

Reports of pathology are terse ("Neuropil: abundant (41 % of tissue).") and full of Latin, so the lack of English
grammar proves nothing. A sentence is taken for another language only on evidence: letters of another script; grammar
words of another language that English does not have, more of them than English ones; or many letters with accents.
"""

from __future__ import annotations

import re
import unicodedata
from types import MappingProxyType


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENGLISH = _words(
    """
    the of and with in is are was were be been has have this that these those which no not without from for by at
    on or as it its there seen show shows shown between around within more most many much some few several than
    each both other but to an a into against along among under over per while where when here only also very
    rather almost such they their
    """
)

_ALSO_ENGLISH = _words(
    "um od mm nm ml per pro non se ex die on no do so as me den van sur plus par il al bin max te de du"
    " a e i o u s w z y v"
)
"""Grammar of other languages that an English sentence may hold, as a word, a name or a single letter."""

_OTHERS = MappingProxyType(
    {
        "German": """
        der das und mit nicht sind ist im von ein eine einer eines einem einen auf bei zwischen sowie keine
        kein wird werden sich auch aus nach zum zur dem oder dieses diese dieser viele wenige mehr ohne über
        zu durch es sehr die den zeigt reichlich
        """,
        "French": """
        le la les des un une et est sont dans avec pas sans ce cette ces pour qui que entre aux leur peu
        très elle au montre en il sur par
        """,
        "Spanish": """
        el la los las un una unos unas y con del se por para que en es son está están muy sin sobre entre
        como lo más hay su
        """,
        "Italian": """
        il lo la gli le un una di del della dei delle con che sono è non nel nella per tra molto senza si da
        questo questa ed più
        """,
        "Portuguese": """
        os as um uma da dos das com que não são em na nos nas por para é sem muito se ao entre mais
        """,
        "Dutch": """
        het een van en met niet zijn op te voor door bij ook er deze dit geen naar tussen veel weinig zonder
        wordt worden aan uit om
        """,
        "Polish": "na nie jest są się oraz bez od przez tym jak które tego",
        "Turkish": "ve bir bu ile için olarak çok daha değil olan gibi vardır",
        "Swedish, Danish, Norwegian": "och att det som med för av är på inte ett og er til af ikke",
        "Indonesian": "dan yang di dengan ini itu adalah pada tidak dari untuk dalam",
        "Romanian": "și cu din este sunt în la pe nu care mai fără",
        "Czech": "je se na jsou které bez nebo pro",
        "Hungarian": "az és egy nem hogy van vannak",
        "Vietnamese": "và các của có là trong không với được những",
        "Latin": "et cum sine est sunt non per ad ex",
    }
)
_FOREIGN = tuple(_words(text) - _ENGLISH - _ALSO_ENGLISH for text in _OTHERS.values())

_TELLING = _words(
    """
    kein keine keinen keiner ohne nicht wenig wenige viel viele reichlich spärlich mäßig kaum fehlt fehlen
    pas aucun aucune sans peu beaucoup absente absents
    sin ninguna ningún poco mucho abundantes escaso escasa ausente ausencia
    senza nessun nessuna scarso scarsa assente abbondante
    sem nenhum nenhuma pouco geen weinig zonder brak
    """
)
"""Small words of other languages of which a single one tells, however short the sentence."""
_OF_THE_FIELD = re.compile(
    r"(?:un)?differen[zt]iert\w*|ausdifferenzier\w*|(?:in)?differencie(?:e?s?)|(?:in|des)?diferenciad[oa]s?|"
    r"(?:in|s)?differenziat[oaie]|(?:on)?gedifferentieerde?|nekrosen?|verkalkung\w*|blutung\w*|zellen|zellkerne?|kerne|"
    r"zellreich\w*|zellarm\w*|neuroblastome|neuroblastoms|neuropile|neuropilo|neuropilum|noyaux|cellules|celulas|nucleos|"
    r"cellule|cellen|kernen|necrose|necrosi|calcificacion\w*|calcificazion\w*|hemorragie|hemorragia|emorragi[ae]|"
    r"tumeurs?|tumore|tejido|tessuto|gewebe|pobremente|scarsamente|schlecht\w*|komorki|celule"
)
"""What the findings are called in other languages, without accents."""

_LEAST_WORDS = 3
_LEAST_ACCENTED = 3
_ACCENTED_SHARE = 0.25
_WORD = re.compile(r"[^\W\d_]+")
_GREEK_OF_SCIENCE = frozenset("αβγδμσλ")
"""Greek letters that are units and names."""


def is_foreign(sentence: str) -> bool:
    """Whether a sentence is in another language than English, or in another script."""
    words = _WORD.findall(unicodedata.normalize("NFC", sentence).casefold())
    if any(_is_of_another_script(letter) for word in words for letter in word):
        return True
    english = sum(word in _ENGLISH for word in words)
    if any(_OF_THE_FIELD.fullmatch(_without_accents(word)) or (word in _TELLING and not english) for word in words):
        return True
    if len(words) < _LEAST_WORDS:
        return False
    theirs = max(sum(word in known for word in words) for known in _FOREIGN)
    accented = sum(not word.isascii() for word in words)
    many = max(_LEAST_ACCENTED, english + 1, _ACCENTED_SHARE * len(words))
    return theirs > english or accented >= many


def _without_accents(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))


def _is_of_another_script(letter: str) -> bool:
    if letter.isascii() or letter in _GREEK_OF_SCIENCE:
        return False
    return not unicodedata.name(letter, "").startswith(("LATIN", "MICRO", "FULLWIDTH LATIN"))
