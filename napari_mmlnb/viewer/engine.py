"""The seam between the docks and the machine: torch loads in the worker's thread, never in the GUI's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeAlias

from napari_mmlnb.viewer.describer_choice import DescriberChoice
from napari_mmlnb.viewer.native_libraries import load_triton_apart

if TYPE_CHECKING:
    from napari_mmlnb.bundles.registry import BundleFacts
    from napari_mmlnb.describe.base import DescriberFacts
    from napari_mmlnb.inference.settings import RunUpdate
    from napari_mmlnb.slides.slide import Slide

ClassifyStream: TypeAlias = "Callable[[Slide, str, Callable[[], bool], DescriberChoice], Iterator[RunUpdate]]"
ListBundles: TypeAlias = "Callable[[], Sequence[BundleFacts]]"
ListDescribers: TypeAlias = "Callable[[], Sequence[DescriberFacts]]"
PrepareEngine: TypeAlias = "Callable[[str], None]"

BY_ITSELF = DescriberChoice()


def classify_stream(
    slide: Slide, model: str, cancelled: Callable[[], bool], describing: DescriberChoice = BY_ITSELF
) -> Iterator[RunUpdate]:
    """Classify a slide, yielding the run's updates.

    Parameters
    ----------
    slide : Slide
        An open slide.
    model : str
        Name or folder of a bundle.
    cancelled : callable
        Asked between batches.
    describing : DescriberChoice
        What describes the evidence in its own words.

    Raises
    ------
    MmlnbError
        Whatever a person can mend; `RunCancelledError` once `cancelled` answers true.
    """
    load_triton_apart()
    from napari_mmlnb.inference.runner import classify  # noqa: PLC0415
    from napari_mmlnb.inference.settings import RunSettings  # noqa: PLC0415

    settings = RunSettings(**asdict(describing))
    return classify(slide, model, settings=settings, stream=True, cancelled=cancelled)


def prepare_engine(model: str) -> None:
    """Load what a run with a bundle needs, in whatever thread this is called: seconds, at first use.

    Parameters
    ----------
    model : str
        Name or folder of the bundle.

    Raises
    ------
    MmlnbError
        What a run with it would raise.
    """
    load_triton_apart()
    from napari_mmlnb.inference.readiness import get_ready  # noqa: PLC0415

    get_ready(model)


def list_bundles() -> Sequence[BundleFacts]:
    """The bundles that can be chosen, the default one first.

    Raises
    ------
    BundleError
        If a shipped bundle is damaged.
    """
    load_triton_apart()
    from napari_mmlnb.bundles.registry import available_bundles  # noqa: PLC0415

    return available_bundles()


def list_describers() -> Sequence[DescriberFacts]:
    """What can describe the evidence, and what could once it is fetched; loads no model."""
    from napari_mmlnb.describe.registry import offered_describers  # noqa: PLC0415

    return offered_describers()
