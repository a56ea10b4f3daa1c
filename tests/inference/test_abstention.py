from __future__ import annotations

from pathlib import Path

import pytest

from napari_mmlnb.bundles.spec import BundleSpec, LimitsSpec
from napari_mmlnb.geometry import Mpp
from napari_mmlnb.inference.abstention import answer_reasons, coverage_reasons, scale_reasons
from napari_mmlnb.result import Coverage, Probabilities, Shift
from tests.bundle_factory import CLASSES, make_bundle

IDS = tuple(c.id for c in CLASSES)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> BundleSpec:
    limits = LimitsSpec(unreadable_share=0.02, min_tiles=4, min_probability=0.5)
    folder: Path = tmp_path_factory.mktemp("bundle")
    return make_bundle(folder, limits=limits).spec


def _coverage(total: int, unreadable: int = 0) -> Coverage:
    return Coverage(tissue_mm2=1.0, tiles_total=total, tiles_used=total - unreadable, tiles_unreadable=unreadable)


def _part(used: int, unreadable: int, total: int) -> Coverage:
    """What a time budget leaves."""
    return Coverage(tissue_mm2=1.0, tiles_total=total, tiles_used=used, tiles_unreadable=unreadable)


@pytest.mark.parametrize(
    ("mpp", "codes"), [(0.25, []), (0.5, []), (0.7, []), (0.8, ["poor_quality"]), (5.0, ["poor_quality"])]
)
def test_a_slide_coarser_than_the_models_tiles_is_refused(spec: BundleSpec, mpp: float, codes: list[str]) -> None:
    assert [r.code for r in scale_reasons(Mpp(mpp, 0.25), spec)] == codes


@pytest.mark.parametrize(
    ("coverage", "codes"),
    [
        (_coverage(0), ["no_tissue"]),
        (_coverage(3), ["poor_quality"]),
        (_coverage(100), []),
        (_coverage(100, 2), []),
        (_coverage(100, 3), ["unreadable_tiles"]),
        (_coverage(5, 2), ["unreadable_tiles", "poor_quality"]),
        (_part(used=50, unreadable=50, total=10_000), ["unreadable_tiles"]),
        (_part(used=0, unreadable=32, total=10_000), ["unreadable_tiles", "poor_quality"]),
        (_part(used=1, unreadable=0, total=10_000), ["poor_quality"]),
        (_part(used=100, unreadable=1, total=10_000), []),
    ],
)
def test_coverage(spec: BundleSpec, coverage: Coverage, codes: list[str]) -> None:
    assert [r.code for r in coverage_reasons(coverage, spec)] == codes


def _probabilities(best: float) -> Probabilities:
    rest = (1 - best) / 2
    return Probabilities(
        image=dict(zip(IDS, (1.0, 0.0, 0.0), strict=True)), fused=dict(zip(IDS, (best, rest, rest), strict=True))
    )


@pytest.mark.parametrize(
    ("score", "best", "codes"),
    [
        (1.0, 0.9, []),
        (2.0, 0.9, []),
        (2.01, 0.9, ["out_of_distribution"]),
        (1.0, 0.49, ["low_confidence"]),
        (9.0, 0.4, ["out_of_distribution", "low_confidence"]),
    ],
)
def test_answer(spec: BundleSpec, score: float, best: float, codes: list[str]) -> None:
    reasons = answer_reasons(Shift(score=score, limit=2.0), _probabilities(best), spec)
    assert [r.code for r in reasons] == codes


def test_a_reason_never_names_a_class(spec: BundleSpec) -> None:
    reasons = [
        *coverage_reasons(_coverage(5, 2), spec),
        *answer_reasons(Shift(score=9, limit=2), _probabilities(0.4), spec),
    ]
    for reason in reasons:
        assert not any(c.label in reason.text or c.id in reason.text for c in spec.classes)
