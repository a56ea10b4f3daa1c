from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.describe.class_names import states_class

NAMES = ("ud", "undifferentiated", "pd", "poorly differentiated", "d", "differentiating")

STATED = (
    "This is poorly differentiated.",
    "This is POORLY-DIFFERENTIATED tissue.",
    "A poorly (differentiated) tumour.",
    "Poor differentiation throughout.",
    "An undifferentiated tumour.",
    "An un-differentiated tumour.",
    "An un\u2011differentiated tumour.",
    "An undiffer\u00adentiated tumour.",
    "An undiffer\u200bentiated tumour.",
    "ＵＤ.",
    "Sheets of undifferentiated cells.",
    "Poorly differentiated neuroblasts lie in sheets.",
    "Differentiating neuroblastoma.",
    "This is a differentiating tumour.",
    "The differentiating subtype.",
    "Differentiating type.",
    "The tumour is differentiating.",
    "This is differentiating.",
    "Subtype: differentiating.",
    "The tumour is differentiating, cells are large.",
    "Differentiating: cells are large.",
    "Differentiating cells point to the differentiating class.",
    "Consistent with PD.",
    "It is UD, I think.",
    "Class D.",
    "Subtype: D.",
    "The diagnosis is 'd'.",
    "PDNB.",
    "A UD-NB of the adrenal.",
    "Typical D-NB.",
    "Poorly diff. neuroblastoma",
    "Poor. Diff. tumour.",
    "A poorly-diff. tumour.",
    "Undiff. tumour",
    "Undifferent. tumour",
    "The tumour is pd.",
    "Undifferentiated stroma-poor tumour.",
    "PD, PD-L1 negative.",
    "The neuroblastoma is poorly to moderately differentiated.",
    "It falls into the poorly, i.e. incompletely, differentiated category.",
    "Neuroblastoma with poor or no differentiation.",
    "Differentiation is poor.",
    "Differentiation of the tumour is poor, and cells are small.",
    "Poor degree of differentiation.",
    "The tumour is of the un differentiated type.",
    "An undifferenciated tumour.",
    "An undiferentiated tumour.",
    "Poorly differenciated tumour.",
    "The subtype here would be D.",
    "This class would most likely be 'D'.",
    "Class 0.",
    "The class is 2.",
    "An undifferentiated stroma-poor tumour.",
    "An undifferentiated spindle cell tumour.",
)
FINDINGS = (
    "Differentiating cells are few.",
    "Differentiating neuroblasts: 12 %.",
    "Many differentiating ganglion cells.",
    "Differentiating ganglion-like cells are seen.",
    "Some cells are differentiating.",
    "Cells that are differentiating are scattered.",
    "There is evidence of neuronal differentiation.",
    "Neuropil: abundant (41 % of tissue).",
    "The ground is rapidly updated.",
    "Vitamin D is not seen; the pudding is.",
    "Cells d, e and f.",
    "Well differentiated glands.",
    "Undifferentiated mesenchymal stroma lies between the nests.",
    "Differentiating neuroblasts are present.",
    "PD-L1 is negative, PD-1 and PD\u2010L2 too; PDL1 was not done.",
    "A ganglion. Many nuclei.",
    "Diff. cells are few.",
    "The cells differ. Poorly preserved.",
    "Scattered undifferentiated mesenchymal cells are present in the stroma.",
    "The stroma contains undifferentiated-appearing spindle cells.",
    "The neuroblasts are poorly cohesive and differentiated elements are absent.",
    "Differentiation is poorly seen in this field.",
    "Cells with synchronous differentiation of nucleus and cytoplasm.",
    "Ganglionic differentiation, with poor preservation at the rim.",
    "Differentiating neuroblasts are present.",
    "Different cells are poorly preserved.",
    "Type 2 pneumocytes are not seen.",
    "Grade 2 autolysis.",
    "A poor stain; the nuclei are well differentiated from the ground.",
)


@pytest.mark.parametrize("sentence", STATED)
def test_a_class_is_found_however_it_is_written(sentence: str) -> None:
    assert states_class(sentence, NAMES)


@pytest.mark.parametrize("sentence", FINDINGS)
def test_a_finding_is_no_class(sentence: str) -> None:
    assert not states_class(sentence, NAMES)


def test_without_classes_everything_may_be_said() -> None:
    assert not any(states_class(sentence, ()) for sentence in STATED)
    assert not any(states_class(sentence, ("", " ", "-")) for sentence in STATED)


CELLS = st.sampled_from(
    ["cells", "neuroblasts", "neurons", "ganglion cells", "tumour cells", "small round cells", "elements"]
)
TUMOURS = st.sampled_from(
    ["neuroblastoma", "tumour", "subtype", "type", "class", "pattern", "tissue", "histology", "", "."]
)
QUANTITIES = st.sampled_from(["Few", "Many", "Scattered", "No", "Some", "About 5 % of"])
JOINTS = st.sampled_from([" ", "-", "\u2010", "\u2013", " - ", "  ", "_"])


def any_case(text: str) -> st.SearchStrategy[str]:
    return st.tuples(*(st.sampled_from([c.lower(), c.upper()]) for c in text)).map("".join)


@given(QUANTITIES, any_case("differentiating"), CELLS)
def test_cells_may_always_be_differentiating(quantity: str, word: str, cells: str) -> None:
    assert not states_class(f"{quantity} {word} {cells} are seen.", NAMES)


@given(st.sampled_from(["A ", "This is ", "Likely "]), any_case("differentiating"), TUMOURS)
def test_tumours_may_never_be(start: str, word: str, noun: str) -> None:
    assert states_class(f"{start}{word} {noun}", NAMES)


@given(st.text(max_size=30), any_case("poorly"), JOINTS, any_case("differentiated"), st.text(max_size=30))
def test_a_label_is_found_in_any_text(before: str, first: str, joint: str, second: str, after: str) -> None:
    assert states_class(f"{before} {first}{joint}{second} {after}", NAMES)


@given(st.sampled_from(["ud", "pd"]), st.text("abcdpuéñßø", min_size=1, max_size=5))
def test_an_id_inside_a_word_is_no_id(name: str, letters: str) -> None:
    assert not states_class(f"The {letters}{name} and the {name}{letters}.", (name,))
