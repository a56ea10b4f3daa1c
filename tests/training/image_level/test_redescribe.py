"""Between stage A and stage B: a table with a describer's words in place of the old ones."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from napari_mmlnb.describe.base import DescriberFacts, TileDescription
from napari_mmlnb.errors import OutputError, RequestError
from napari_mmlnb.training.image_level.ablation import ablate
from napari_mmlnb.training.image_level.claims import CLAIMS
from napari_mmlnb.training.image_level.redescribe import UNDESCRIBED, redescribe
from napari_mmlnb.training.image_level.table import read_cases
from tests.training.image_level.made import COLOURS, configuration, image_folder


class Colour:
    """Says how red a tile is; silent about the third of each batch."""

    facts = DescriberFacts("colour", "", "", generates=True)

    def describe(self, tiles):
        for tile in tiles:
            text = f"Redness {int(tile.rgb[..., 0].mean())}."
            yield TileDescription(tile.rank, (), (), complete=False)
            silent = tile.rank == 3
            yield TileDescription(tile.rank, () if silent else (text,), (), faults=("empty",) if silent else ())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return image_folder(tmp_path / "data", patients=12, images=2)


def _again(folder: Path, name: str = "new.csv"):
    out = folder / name
    done = redescribe(folder / "table.csv", folder / "images", out, Colour(), um_per_px=0.5, log=lambda _: None)
    return done, out


def test_only_the_descriptions_change_and_silence_is_counted(folder: Path) -> None:
    before = read_cases(folder / "table.csv", folder / "images", list(COLOURS))
    done, out = _again(folder)
    after = read_cases(out, folder / "images", list(COLOURS))
    assert [replace(case, description="") for case in after] == [replace(case, description="") for case in before]
    assert all(case.description.startswith("Redness") or case.description == UNDESCRIBED for case in after)
    assert (done.images, done.undescribed, done.faults) == (24, 3, {"empty": 3})


def test_a_table_that_is_there_is_never_replaced(folder: Path) -> None:
    _, out = _again(folder)
    kept = out.read_text(encoding="utf-8")
    with pytest.raises(OutputError):
        _again(folder)
    assert out.read_text(encoding="utf-8") == kept


def test_a_missing_image_is_named_before_anything_is_described(folder: Path) -> None:
    (folder / "images" / "p03-1.png").unlink()
    with pytest.raises(RequestError, match=r"p03-1\.png"):
        _again(folder)
    assert not (folder / "new.csv").exists()


def test_the_ablation_tells_generated_from_measured_text(folder: Path) -> None:
    _again(folder)
    _again(folder, "plain.csv")
    short = {"curriculum": {"image_first": 1, "joint": 1, "consolidate": 1}}
    config = configuration(folder, **short, texts={"untuned": "new.csv", "measured": "plain.csv"})
    ablation = ablate(config, folder / "out", seeds=1, log=lambda _: None)
    assert {one.name for one in ablation.arms} >= {
        "prmf",
        "prmf-untuned-text",
        "prmf-measured-text",
        "prmf-gate-last-untuned-text",
    }
    assert tuple(one.claim for one in ablation.claims) == CLAIMS


def test_texts_of_other_images_are_refused(folder: Path) -> None:
    rows = list(csv.DictReader((folder / "table.csv").open(encoding="utf-8")))
    with (folder / "other.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows[1:])
    config = configuration(folder, texts={"untuned": "other.csv"})
    with pytest.raises(RequestError, match="not of the same images"):
        ablate(config, folder / "out", seeds=1, log=lambda _: None)
