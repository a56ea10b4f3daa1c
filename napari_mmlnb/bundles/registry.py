"""Which bundles there are: the ones shipped in the wheel, and any folder."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mmlnb.bundles.spec import SPEC_FILE, read_spec
from napari_mmlnb.errors import BundleError
from napari_mmlnb.registry import Registry

if TYPE_CHECKING:
    from napari_mmlnb.bundles.bundle import Bundle

DEFAULT_BUNDLE = "nb-phantom"


@dataclass(frozen=True)
class BundleFacts:
    """What a person wants to know before choosing a model; cheap to get, loads no weights.

    `describer` is the one that its class rests on; `own_describer` and `own_licence` are of its own describing model,
    empty where it has none.
    """

    name: str
    version: str
    summary: str
    notice: str
    system: str
    licence: str
    path: Path
    describer: str = "measured"
    own_describer: str = ""
    own_licence: str = ""


def _facts(folder: Path) -> BundleFacts:
    spec = read_spec(folder)
    own = spec.describing
    return BundleFacts(
        spec.name,
        spec.version,
        spec.summary,
        spec.notice,
        spec.system.name,
        spec.licence,
        folder,
        spec.describer,
        own.name if own is not None else "",
        own.licence if own is not None else "",
    )


def available_bundles() -> tuple[BundleFacts, ...]:
    """The shipped bundles, the default one first.

    Raises
    ------
    BundleError
        If a shipped bundle's `bundle.yaml` is damaged.
    """
    shipped = Path(str(resources.files("napari_mmlnb.bundles") / "shipped"))
    folders = sorted(p.parent for p in shipped.glob(f"*/{SPEC_FILE}"))
    return tuple(sorted((_facts(folder) for folder in folders), key=lambda f: (f.name != DEFAULT_BUNDLE, f.name)))


def bundle_folder(name_or_folder: str | Path) -> Path:
    """Where a bundle lies: the name of a shipped one, or else a folder that holds one.

    A shipped name comes first, so that a folder that happens to lie here under that name is not taken for it.

    Raises
    ------
    BundleError
        If it is a folder without a bundle.
    UnknownNameError
        If it is neither.
    """
    shipped = Registry("model", available_bundles())
    folder = Path(name_or_folder)
    if str(name_or_folder) not in shipped and (folder / SPEC_FILE).is_file():
        return folder.resolve()
    if str(name_or_folder) not in shipped and folder.is_dir():
        raise BundleError(str(name_or_folder), f"{folder} is not a model bundle: it has no {SPEC_FILE}.")
    return shipped.get(str(name_or_folder)).path


def load_bundle(name_or_folder: str | Path = DEFAULT_BUNDLE) -> Bundle:
    """Load a bundle by name or folder.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    BundleError
        If it is incomplete, altered, or does not fit this program.
    """
    from napari_mmlnb.bundles.bundle import read_bundle  # noqa: PLC0415 - listing bundles must not cost torch

    return read_bundle(bundle_folder(name_or_folder))
