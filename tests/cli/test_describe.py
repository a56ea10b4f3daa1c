"""`mmlnb describe`."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.training.image_level.made import image_folder


def test_the_command_writes_a_table_and_refuses_a_bad_image_in_one_line(mmlnb, tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "data", patients=3, images=1)
    asked = ("describe", folder / "table.csv", "--describer", "measured", "--out")
    ended = mmlnb(*asked, folder / "new.csv")
    assert ended.returncode == 0, ended.stderr
    assert "3 images described by measured" in ended.stdout
    with (folder / "new.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file_name"] for row in rows] == ["p00-0.png", "p01-0.png", "p02-0.png"]
    assert sorted(path.name for path in folder.iterdir()) == ["images", "new.csv", "table.csv"]
    (folder / "images" / "p02-0.png").write_bytes(b"")
    ended = mmlnb(*asked, folder / "again.csv")
    assert ended.returncode == 2
    assert "p02-0.png" in ended.stderr
    assert "Traceback" not in ended.stderr
