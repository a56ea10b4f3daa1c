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
from napari_mmlnb.training.image_level.redescribe import UNDESCRIBED, names_of_classes, redescribe
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


class Stopped(Colour):
    """Is stopped in the middle of a batch, and counts what it was asked."""

    def __init__(self, after: int) -> None:
        self.left, self.asked = after, 0

    def describe(self, tiles):
        self.asked += len(tiles)
        for one in super().describe(tiles):
            if one.complete:
                if not self.left:
                    raise KeyboardInterrupt
                self.left -= 1
            yield one


def _again(folder: Path, name: str = "new.csv", describer=None, log=None, **changes):
    out = folder / name
    asked = {"um_per_px": 0.5, "log": (log if log is not None else []).append, **changes}
    return redescribe(folder / "table.csv", folder / "images", out, describer or Colour(), **asked), out


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


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
    with pytest.raises(RequestError, match=r"not there: line 9\."):
        _again(folder)
    assert not (folder / "new.csv").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"file_name": "../secret.png"}, "outside of the folder"),
        ({"file_name": "/etc/hostname"}, "outside of the folder"),
        ({"file_name": "./p00-0.png"}, r"line 5 .* is the file of line 2"),
    ],
)
def test_a_table_that_train_would_refuse_is_refused(folder: Path, change: dict[str, str], said: str) -> None:
    (folder / "secret.png").write_bytes((folder / "images" / "p00-0.png").read_bytes())
    rows = _rows(folder)
    rows[3] |= change
    _write(folder, rows)
    with pytest.raises(RequestError, match=said):
        _again(folder)


def test_a_broken_image_is_named_before_anything_is_described(folder: Path) -> None:
    (folder / "images" / "p11-1.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    never = Stopped(100)
    with pytest.raises(RequestError, match=r"1 of 24 images cannot be read, the first is p11-1\.png"):
        _again(folder, describer=never)
    assert never.asked == 0
    assert sorted(path.name for path in folder.iterdir()) == ["images", "table.csv"]


def test_what_was_stopped_goes_on_to_the_same_table(folder: Path) -> None:
    log: list[str] = []
    _, whole = _again(folder, "whole.csv")
    with pytest.raises(KeyboardInterrupt):
        _again(folder, describer=Stopped(16 + 4))
    partial = folder / "new.csv.partial"
    with partial.open("ab") as file:
        file.write(b'{"text": "torn')
    second = Stopped(100)
    done, out = _again(folder, describer=second, log=log)
    assert log[0] == "going on after 20 of 24 images"
    assert second.asked == 4
    assert done.images == 24
    assert not partial.exists()
    before, after = ([row["file_name"] for row in csv.DictReader(path.open())] for path in (whole, out))
    assert before == after
    said = [row["description"] for row in csv.DictReader(out.open())]
    assert said[:20] == [row["description"] for row in csv.DictReader(whole.open())][:20]


def test_what_another_describing_left_is_not_gone_on_with_and_not_lost(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _again(folder, describer=Stopped(4))
    kept = (folder / "new.csv.partial").read_bytes()
    for changes in ({"um_per_px": 0.25}, {"settings": ("another",)}):
        with pytest.raises(OutputError, match="not of this table, describer and settings; delete it"):
            _again(folder, **changes)
    _write(folder, [row | {"patient": f"Q{row['patient']}"} for row in _rows(folder)])
    with pytest.raises(OutputError, match=r"new\.csv\.partial"):
        _again(folder)
    assert (folder / "new.csv.partial").read_bytes() == kept


def test_damaged_rows_are_not_gone_on_with(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _again(folder, describer=Stopped(4))
    with (folder / "new.csv.partial").open("ab") as file:
        file.write(b"nothing of ours\n")
    with pytest.raises(OutputError, match="damaged; delete it"):
        _again(folder)


def test_no_file_of_the_user_is_replaced(folder: Path) -> None:
    (folder / "new.partial").write_text("mine", encoding="utf-8")
    _again(folder)
    assert (folder / "new.partial").read_text(encoding="utf-8") == "mine"
    (folder / "other.csv.partial").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError):
        _again(folder, "other.csv")
    assert (folder / "other.csv.partial").read_text(encoding="utf-8") == "mine"


def test_a_describer_is_told_which_classes_not_to_name(folder: Path) -> None:
    names = {"ud", "pd", "d", "undifferentiated", "poorly differentiated", "differentiating"}
    assert set(names_of_classes(folder / "table.csv")) == names
    _write(folder, [row | {"class": str(list(COLOURS).index(row["class"]))} for row in _rows(folder)])
    assert set(names_of_classes(folder / "table.csv")) == names


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
