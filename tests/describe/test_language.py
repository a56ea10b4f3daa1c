from __future__ import annotations

import numpy as np
import pytest

from napari_mmlnb.describe.language import is_foreign
from napari_mmlnb.describe.measurements import measure_tile
from napari_mmlnb.describe.sentences import tile_sentences, values_of

ENGLISH = (
    "Neuropil: abundant (41 % of tissue).",
    "Nuclear density: high (5200 per mm2, share of area 32 %).",
    "Abundant eosinophilic fibrillary neuropil.",
    "Homer Wright rosettes present.",
    "Karyorrhexis, mitoses, apoptotic debris.",
    "Foci of necrosis in situ, per se unremarkable.",
    "Cells in von Recklinghausen's disease look alike.",
    "Schwannian stroma: scant.",
    "Naïve-looking Müller cells.",
    "Nuclei of 7 µm; β-catenin not assessed.",
    "No calcification.",
    "Small round blue cells, scant cytoplasm, salt-and-pepper chromatin, inconspicuous nucleoli.",
    "None.",
    "Cytoplasm: scant.",
    "Differentiated cells.",
    "Undifferenciated tumour.",
    "Anaplastic foci, stark contrast absent.",
    "",
)
OTHERS = (
    "Das Neuropil ist reichlich vorhanden und die Kerne sind klein.",
    "Reichlich Neuropil zwischen kleinen runden Zellen.",
    "Le neuropile est abondant et les noyaux sont petits.",
    "Se observan células pequeñas con núcleos hipercromáticos.",
    "Il neuropilo è abbondante e i nuclei sono piccoli.",
    "O neurópilo é abundante e os núcleos são pequenos.",
    "Het neuropil is overvloedig en de kernen zijn klein.",
    "Neuropil jest obfity, a jądra są małe.",
    "Nöropil bol ve çekirdekler küçük olarak görülmektedir.",
    "神经毡丰富，细胞核小。",
    "Нейропиль обильный, ядра мелкие.",
    "النسيج العصبي وفير.",
    "Neuropil 豊富.",
    "Kein Neuropil.",
    "Undifferenziert.",
    "Schlecht differenziertes Neuroblastom.",
    "Neuroblastome indifférencié.",
    "Neuroblastome indifferencie.",
    "Neuroblastoma pobremente diferenciado.",
    "Neuroblastoma scarsamente differenziato.",
    "Sans nécrose.",
    "Sin necrosis.",
    "Nekrosen.",
    "Necrosi assente.",
    "Geen necrose.",
)


@pytest.mark.parametrize("sentence", ENGLISH)
def test_english_is_english_however_terse(sentence: str) -> None:
    assert not is_foreign(sentence)


@pytest.mark.parametrize("sentence", OTHERS)
def test_another_language_is_told(sentence: str) -> None:
    assert is_foreign(sentence)


def test_nothing_that_the_measuring_describer_says_is_foreign(crowded: np.ndarray) -> None:
    sentences = tile_sentences(values_of(measure_tile(crowded, 0.5)))
    assert len(sentences) > 5
    assert not any(is_foreign(sentence) for sentence in sentences)
