"""When the program says that it does not know, and why."""

from __future__ import annotations

from collections.abc import Iterator

from napari_mmlnb.bundles.spec import BundleSpec, LimitsSpec
from napari_mmlnb.geometry import Mpp
from napari_mmlnb.result import AbstainReason, Coverage, Probabilities, Quality, QualityKind, Shift

COARSEST = 1.5
"""How much coarser than the model's tiles a slide's finest pixels may be."""

_OF_COVERAGE: frozenset[QualityKind] = frozenset({"tissue", "unreadable"})


def coverage_reasons(coverage: Coverage, spec: BundleSpec) -> Iterator[AbstainReason]:
    """Reasons that lie in how much was seen; with any of them a class cannot be computed or must not be trusted.

    Tiles that were never reached, because a time budget ended, count neither for nor against.
    """
    limits = spec.limits
    if coverage.tiles_total == 0:
        yield AbstainReason(
            code="no_tissue",
            text=f"No tissue was found that fills a tile ({coverage.tissue_mm2:.3f} mm² of tissue in all).",
        )
        return
    seen = coverage.tiles_used + coverage.tiles_unreadable
    yield from unreadable_reasons(coverage.tiles_unreadable, seen, limits)
    if coverage.tiles_used < limits.min_tiles:
        yield AbstainReason(
            code="poor_quality",
            text=f"Only {coverage.tiles_used} tiles of tissue were read; the model needs at least {limits.min_tiles}.",
        )


def unreadable_reasons(unreadable: int, seen: int, limits: LimitsSpec) -> Iterator[AbstainReason]:
    """The reason that too many of the tiles seen could not be read."""
    share = unreadable / max(seen, 1)
    if share > limits.unreadable_share:
        yield AbstainReason(
            code="unreadable_tiles",
            text=f"{unreadable} of {seen} tiles could not be read "
            f"({share:.1%}, at most {limits.unreadable_share:.1%} allowed).",
        )


def scale_reasons(mpp: Mpp, spec: BundleSpec) -> Iterator[AbstainReason]:
    """Reasons that lie in the slide's scale: what a scanner did not resolve, no resampling brings back."""
    wanted = spec.encoder.um_per_px
    if max(mpp.xy) > COARSEST * wanted:
        yield AbstainReason(
            code="poor_quality",
            text=f"The slide's finest pixels are {max(mpp.xy):.3g} µm; the model looks at {wanted:.3g} µm per pixel.",
        )


def quality_reasons(quality: Quality) -> Iterator[AbstainReason]:
    """Reasons that lie in the picture: each fault of which there is too much, in words.

    Little tissue and unreadable tiles are told there too, but `coverage_reasons` judges them.
    """
    for finding in quality.findings:
        if not finding.passed and finding.kind not in _OF_COVERAGE:
            yield AbstainReason(code="poor_quality", text=finding.text)


def undescribed_reason(spec: BundleSpec) -> AbstainReason:
    """The reason that the model on whose words the class rests has said nothing."""
    return AbstainReason(
        code="no_description",
        text=f"{spec.describer} did not describe the evidence, and the class of {spec.name} rests on its words.",
    )


def _strange(shift: Shift) -> Iterator[str]:
    """What passes its limit, in words."""
    if shift.score > shift.limit:
        yield f"its median tile lies at a distance of {shift.score:.1f} (at most {shift.limit:.1f} is familiar)"
    slide = shift.slide
    if slide is not None and slide.score > slide.limit:
        yield f"as a whole it lies at a distance of {slide.score:.1f} (at most {slide.limit:.1f} is familiar)"
    tiles = shift.foreign_tiles
    if tiles is not None and tiles.beyond:
        yield f"{tiles.share:.0%} of its tiles are foreign (at most {tiles.limit:.0%} are usual)"


def answer_reasons(shift: Shift, probabilities: Probabilities, spec: BundleSpec) -> Iterator[AbstainReason]:
    """Reasons that lie in the answer."""
    strange = list(_strange(shift))
    if strange:
        yield AbstainReason(
            code="out_of_distribution",
            text=f"The slide does not look like what {spec.name} was trained on: {'; '.join(strange)}.",
        )
    fused = probabilities.fused or probabilities.image
    best = max(fused.values())
    if best < spec.limits.min_probability:
        yield AbstainReason(
            code="low_confidence",
            text=f"No class reaches a probability of {spec.limits.min_probability:.0%}.",
        )
