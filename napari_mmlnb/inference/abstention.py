"""When the program says that it does not know, and why."""

from __future__ import annotations

from collections.abc import Iterator

from napari_mmlnb.bundles.spec import BundleSpec
from napari_mmlnb.result import AbstainReason, Coverage, Probabilities, Shift


def coverage_reasons(coverage: Coverage, spec: BundleSpec) -> Iterator[AbstainReason]:
    """Reasons that lie in how much was seen; with any of them a class cannot be computed or must not be trusted."""
    limits = spec.limits
    if coverage.tiles_total == 0:
        yield AbstainReason(
            code="no_tissue",
            text=f"No tissue was found that fills a tile ({coverage.tissue_mm2:.3f} mm² of tissue in all).",
        )
        return
    share = coverage.tiles_unreadable / coverage.tiles_total
    if share > limits.unreadable_share:
        yield AbstainReason(
            code="unreadable_tiles",
            text=f"{coverage.tiles_unreadable} of {coverage.tiles_total} tiles could not be read "
            f"({share:.1%}, at most {limits.unreadable_share:.1%} allowed).",
        )
    readable = coverage.tiles_total - coverage.tiles_unreadable
    if readable < limits.min_tiles:
        yield AbstainReason(
            code="poor_quality",
            text=f"Only {readable} readable tiles of tissue; the model needs at least {limits.min_tiles}.",
        )


def answer_reasons(shift: Shift, probabilities: Probabilities, spec: BundleSpec) -> Iterator[AbstainReason]:
    """Reasons that lie in the answer."""
    if shift.score > shift.limit:
        yield AbstainReason(
            code="out_of_distribution",
            text=f"The slide does not look like what {spec.name} was trained on: distance {shift.score:.1f}, "
            f"at most {shift.limit:.1f} is familiar.",
        )
    fused = probabilities.fused or probabilities.image
    best = max(fused.values())
    if best < spec.limits.min_probability:
        yield AbstainReason(
            code="low_confidence",
            text=f"No class reaches a probability of {spec.limits.min_probability:.0%}.",
        )
