"""What happens to sentences as a describing model writes them: left out or shown, read, and held against two tiles.

Of each sentence: the fault that it is left out for, or what is read in it and which of two tiles contradicts it: "L"
one where next to nothing was measured (1 % of neuropil), "H" one where much was measured of everything.
"""

from __future__ import annotations

import pytest

from napari_mmlnb.describe.claims import read_claims
from napari_mmlnb.describe.contradiction import contradiction
from napari_mmlnb.describe.guard import judge

CLASSES = ("ud", "undifferentiated", "pd", "poorly differentiated", "d", "differentiating")
LITTLE = {
    "tissue_fraction": 95.0,
    "neuropil_like_fraction": 1.0,
    "ample_cytoplasm_like_share": 0.0,
    "dark_fragments_per_100_nuclei": 0.0,
    "stroma_like_fraction": 0.0,
    "necrotic_like_fraction": 0.0,
    "blood_like_fraction": 0.0,
    "nuclear_diameter_median": 4.0,
    "nuclear_density": 300.0,
}
MUCH = {
    "tissue_fraction": 95.0,
    "neuropil_like_fraction": 85.0,
    "ample_cytoplasm_like_share": 35.0,
    "dark_fragments_per_100_nuclei": 30.0,
    "stroma_like_fraction": 90.0,
    "necrotic_like_fraction": 40.0,
    "blood_like_fraction": 30.0,
    "nuclear_diameter_median": 13.0,
    "nuclear_density": 13000.0,
}


@pytest.mark.parametrize(
    ("sentence", "fault", "claims", "contradicted"),
    [
        (
            "The image shows a highly cellular tumour composed of small round blue cells.",
            "",
            "cellularity abundant",
            "L",
        ),
        ("The cells have round to oval, hyperchromatic nuclei and scant cytoplasm.", "", "", ""),
        (
            "The nuclei are small to medium-sized with finely dispersed salt-and-pepper chromatin.",
            "",
            "nuclear_size scant/some",
            "H",
        ),
        ("Nucleoli are inconspicuous.", "", "", ""),
        (
            "The tumour cells are arranged in sheets and nests separated by thin fibrovascular septa.",
            "",
            "stroma present",
            "",
        ),
        ("A pale eosinophilic fibrillary background consistent with neuropil is seen.", "", "", ""),
        ("Abundant fibrillary neuropil separates the cells.", "", "neuropil abundant, neuropil present", "L"),
        ("There is hardly any neuropil between the cells.", "", "neuropil scant", "H"),
        ("Neuropil is barely visible.", "", "neuropil scant", "H"),
        ("Neuropil is present, though scant.", "", "neuropil scant", "H"),
        ("No neuropil is identified.", "", "neuropil absent", "H"),
        ("Differentiating neuroblasts are present.", "", "ample_cytoplasm present", ""),
        (
            "Differentiating neuroblasts with enlarged vesicular nuclei make up about 5 % of the cells.",
            "",
            "ample_cytoplasm present",
            "",
        ),
        ("Cells with synchronous differentiation of nucleus and cytoplasm are few.", "", "", ""),
        (
            "Numerous ganglion-like cells with abundant eosinophilic cytoplasm are seen.",
            "",
            "ample_cytoplasm abundant, ample_cytoplasm present",
            "L",
        ),
        (
            "No ganglion cells are seen, although the neuropil is abundant.",
            "",
            "ample_cytoplasm absent, neuropil abundant",
            "LH",
        ),
        ("Ganglion cells with large nuclei are scattered.", "", "ample_cytoplasm present", ""),
        ("Some nuclei are enlarged.", "", "", ""),
        ("Lymphocytes with small dark nuclei infiltrate the stroma.", "", "stroma present", ""),
        ("Mitotic figures are frequent, with several per high-power field.", "", "mitoses abundant", "L"),
        ("Mitoses are rare and karyorrhectic cells are infrequent.", "", "mitoses scant, mitoses scant", ""),
        ("The MKI appears low (<2 %).", "", "mki scant", "H"),
        ("The mitosis-karyorrhexis index is high.", "", "mki abundant", "L"),
        ("Extensive geographic necrosis with ghost outlines of cells is present.", "", "necrosis abundant", "L"),
        (
            "No evidence of necrosis or haemorrhage is identified in this field.",
            "",
            "necrosis absent, blood absent",
            "H",
        ),
        ("The following features are not seen: necrosis.", "", "necrosis absent", "H"),
        (
            "Focal haemorrhage and fresh blood are present, but necrosis is absent.",
            "",
            "blood scant, blood present, necrosis absent",
            "H",
        ),
        ("Necrosis cannot be excluded at the edge.", "", "", ""),
        ("Schwannian stroma is inconspicuous.", "", "stroma scant", "H"),
        ("Abundant Schwannian stroma surrounds nests of neuroblasts.", "", "stroma abundant", "L"),
        ("Homer Wright rosettes are occasionally seen.", "", "rosettes scant", ""),
        ("Calcifications are present.", "", "calcification present", ""),
        ("Cellularity is low.", "", "cellularity scant", "H"),
        ("The cells are densely packed.", "", "cellularity abundant", "L"),
        ("Scattered undifferentiated mesenchymal cells are present in the stroma.", "", "stroma present", ""),
        ("There is crush artefact at the left edge.", "", "", ""),
        ("The stain is uneven and the focus is soft.", "", "", ""),
        ("Small lymphocytes and plasma cells are scattered in the septa.", "", "", ""),
        ("The tumour is a poorly differentiated neuroblastoma.", "class name", "", ""),
        ("Sheets of undifferentiated cells without neuropil fill the field.", "class name", "", ""),
        ("These features are consistent with differentiating neuroblastoma.", "class name", "", ""),
        ("Differentiation is poor.", "class name", "", ""),
        ("The subtype here would be D.", "class name", "", ""),
        ("The patient is a 3-year-old boy with an adrenal mass.", "beyond the tile", "", ""),
        ("The cells are positive for synaptophysin.", "beyond the tile", "", ""),
        ("As an AI, I cannot provide a diagnosis.", "refusal", "", ""),
        ("Further clinical correlation is recommended.", "beyond the tile", "", ""),
        ("Das Neuropil ist reichlich.", "other language", "", ""),
        ("Kein Neuropil.", "other language", "", ""),
        ("You are a pathologist specialised in childhood tumours.", "echo of the question", "", ""),
        ("Okay, let me look at the image again.", "thought aloud", "", ""),
        ("Not seen.", "empty", "", ""),
    ],
)
def test_what_becomes_of_a_sentence(sentence: str, fault: str, claims: str, contradicted: str) -> None:
    judged = judge(sentence, CLASSES)
    assert judged.faults == ((fault,) if fault else ())
    assert judged.sentences == (() if fault else (sentence,))
    if not fault:
        read = (f"{claim.finding.name.lower()} {'/'.join(claim.amounts)}" for claim in read_claims(sentence))
        assert ", ".join(read) == claims
        marks = [name for name, tile in (("L", LITTLE), ("H", MUCH)) if contradiction(sentence, {1: tile})]
        assert "".join(marks) == contradicted
