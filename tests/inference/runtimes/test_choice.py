from __future__ import annotations

import uuid

import pytest

from napari_mmlnb.errors import BundleError, RequestError, UnknownNameError
from napari_mmlnb.inference.runtimes import choice, measure
from napari_mmlnb.inference.runtimes.choice import choose_runtime
from napari_mmlnb.registry import Registry
from tests.inference.runtimes.made import CPU, Kind, small_encoder, tiles

RIGHT, FAST, FASTER, ABSENT = (
    Kind("right", seconds_a_tile=3e-3),
    Kind("fast", scale=2.0, seconds_a_tile=1e-3),
    Kind("wrong-and-faster", noise=1.0),
    Kind("absent", refused="it is not installed; install it with: pip install it"),
)


def passes(runtime):
    return ""


@pytest.fixture
def offered(monkeypatch, tmp_path):
    """Offer other runtimes than the program's, on a machine that knows nothing yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / uuid.uuid4().hex))

    def offer(*kinds):
        registry = Registry("runtime", kinds)
        monkeypatch.setattr(choice, "RUNTIMES", registry)
        monkeypatch.setattr(measure, "RUNTIMES", registry)

    return offer


def test_the_fastest_of_those_that_agree_is_chosen_and_the_others_are_explained(offered):
    offered(RIGHT, FAST, FASTER, ABSENT)
    chosen = choose_runtime(small_encoder(), CPU, "auto", tiles(4), passes)
    assert chosen.runtime.facts.name == "fast"
    assert "pip install it" in chosen.reason
    assert "not wrong-and-faster: its features are too far from float32" in chosen.reason
    rates = {figure.name: figure.tiles_per_s for figure in chosen.figures}
    assert rates["fast"] > rates["right"] > 0
    assert rates["absent"] is None


def test_a_machine_keeps_to_its_choice(offered):
    offered(RIGHT, FAST)
    first = choose_runtime(small_encoder(), CPU, "auto", tiles(4), passes)
    offered(Kind("right"), Kind("fast", seconds_a_tile=5e-3))  # the machine is busy now
    second = choose_runtime(small_encoder(), CPU, "auto", tiles(4), passes)
    assert second.runtime.facts.name == first.runtime.facts.name == "fast"
    assert (second.reason, second.figures) == (first.reason, first.figures)


def test_one_that_fails_the_self_test_is_not_chosen(offered):
    offered(RIGHT, FAST)
    chosen = choose_runtime(
        small_encoder(), CPU, "auto", tiles(4), lambda r: "it fails" if r.facts.name == "fast" else ""
    )
    assert chosen.runtime.facts.name == "right"
    assert "not fast: it fails" in chosen.reason


def test_where_all_fail_nothing_answers(offered):
    offered(RIGHT, FAST)
    with pytest.raises(BundleError, match=r"No runtime computes small.*self-test says no"):
        choose_runtime(small_encoder(), CPU, "auto", tiles(4), lambda r: "The self-test says no.")


def test_one_that_is_asked_for_by_name_is_used_or_refused(offered):
    offered(RIGHT, FAST, ABSENT)
    assert choose_runtime(small_encoder(), CPU, "right", tiles(4), passes).runtime.facts.name == "right"
    with pytest.raises(RequestError, match="pip install it"):
        choose_runtime(small_encoder(), CPU, "absent", tiles(4), passes)
    with pytest.raises(UnknownNameError, match="right, fast, absent"):
        choose_runtime(small_encoder(), CPU, "slow", tiles(4), passes)
    with pytest.raises(BundleError, match="it fails"):
        choose_runtime(small_encoder(), CPU, "right", tiles(4), lambda r: "it fails")


def test_an_encoder_that_asks_for_a_precision_gets_no_other(offered):
    offered(Kind("fast", precision="float32"), Kind("half", precision="bfloat16", seconds_a_tile=2e-3))
    chosen = choose_runtime(small_encoder("bfloat16"), CPU, "auto", tiles(4), passes)
    assert chosen.runtime.facts.name == "half"
    assert "not fast: small computes in bfloat16" in chosen.reason
    with pytest.raises(RequestError, match="computes in bfloat16"):
        choose_runtime(small_encoder("bfloat16"), CPU, "fast", tiles(4), passes)


def test_features_that_are_no_numbers_do_not_agree(offered):
    offered(RIGHT, Kind("broken", scale=float("nan")))
    assert choose_runtime(small_encoder(), CPU, "auto", tiles(4), passes).runtime.facts.name == "right"
