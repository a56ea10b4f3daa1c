"""The model bundles that come with the program: whole, unaltered, and giving the answers that they gave when made."""

from __future__ import annotations

from collections.abc import Iterator

from napari_mmlnb.cli.checks.finding import Check, Finding, State
from napari_mmlnb.errors import MmlnbError

_AGAIN = "pip install --force-reinstall --no-deps napari-mmlnb"


def _examine() -> Iterator[Finding]:
    from napari_mmlnb.bundles.registry import available_bundles

    try:
        known = available_bundles()
    except MmlnbError as error:
        yield Finding("bundles", State.PROBLEM, error.problem, _AGAIN)
        return
    if not known:
        yield Finding("bundles", State.PROBLEM, "No bundle came with the program.", _AGAIN)
    for facts in known:
        yield examine_bundle(facts.name)


def examine_bundle(name: str) -> Finding:
    """Read a bundle, check its digests, and let it answer its self-test on the device that a run would take."""
    from napari_mmlnb.bundles.registry import load_bundle
    from napari_mmlnb.bundles.selftest import run_selftest
    from napari_mmlnb.inference.device import choose_device

    device = choose_device().device
    try:
        bundle = load_bundle(name)
        run_selftest(bundle, device)
    except MmlnbError as error:
        return Finding(f"bundle {name}", State.PROBLEM, error.problem, _AGAIN)
    text = f"version {bundle.spec.version}, unaltered; its self-test passes on {device.type}"
    return Finding(f"bundle {name}", State.OK, text, facts={"version": bundle.spec.version})


CHECK = Check("bundles", "Testing the model bundles", _examine)
