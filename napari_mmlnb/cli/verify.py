"""`mmlnb verify`: whether a result still fits its slide, its model and its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from napari_mmlnb.cli.slide_option import SLIDE

if TYPE_CHECKING:
    from napari_mmlnb.report.verify import Verification
    from napari_mmlnb.slides.location import Location

CHANGED = 3


@click.command(name="verify", short_help="Check that a result still is what was written.")
@click.argument("target", metavar="DIR|PDF", type=click.Path(path_type=Path))
@click.option("--slide", type=SLIDE, help="Where the slide lies now, if it was moved.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one JSON object, and nothing else.")
def command(target: Path, slide: Location | None, as_json: bool) -> int:
    """Check the files of a result against their digests, and the slide and the model's weights against the record.

    Exit code 0 when nothing has changed, 3 when something has; every change is named.
    """
    from napari_mmlnb.report.verify import verify

    verification = verify(target, slide, _weights_digest)
    if as_json:
        click.echo(json.dumps(_as_json(verification), indent=2, ensure_ascii=False))
    else:
        for check in verification.checks:
            click.echo(f"{check.status:<12} {check.name}" + (f": {check.detail}" if check.detail else ""))
    for check in verification.failures:
        click.echo(f"{check.name} {'is missing' if check.status == 'missing' else 'has changed'}.", err=True)
    return 0 if verification.unchanged else CHANGED


def _as_json(verification: Verification) -> dict[str, object]:
    record = verification.record
    return {
        "unchanged": verification.unchanged,
        "run_id": record.run_id if record else None,
        "checks": [
            {"name": check.name, "status": check.status.value, "detail": check.detail} for check in verification.checks
        ],
    }


def _weights_digest(model: str) -> str | None:
    """Digest of a model's weights as they lie on this disk, whatever its own `bundle.yaml` says of them."""
    from napari_mmlnb.bundles.registry import bundle_folder
    from napari_mmlnb.bundles.spec import WEIGHTS_FILE
    from napari_mmlnb.digest import file_sha256
    from napari_mmlnb.errors import MmlnbError

    try:
        return file_sha256(bundle_folder(model) / WEIGHTS_FILE)
    except (MmlnbError, OSError):
        return None
