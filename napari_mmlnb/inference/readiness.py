"""What a first run would wait for, done before anybody asks: libraries, the bundle, a first tile encoded."""

from __future__ import annotations

from pathlib import Path

import torch

from napari_mmlnb.bundles.kept import kept_bundle
from napari_mmlnb.bundles.selftest import run_selftest
from napari_mmlnb.describe.registry import create_describer
from napari_mmlnb.inference.device import choose_device
from napari_mmlnb.inference.feature_key import code_digest


def get_ready(model: Path | str) -> None:
    """Load a bundle and use it once, so that a run with it begins at once.

    Parameters
    ----------
    model : Path or str
        Name or folder of a bundle.

    Raises
    ------
    MmlnbError
        What the run itself would raise.
    """
    import zarr  # noqa: F401, PLC0415 - the feature cache loads it at first use

    bundle = kept_bundle(model)
    device = choose_device().device
    run_selftest(bundle, device)
    create_describer(bundle.spec.describer)
    code_digest()
    with torch.inference_mode():
        side = bundle.spec.encoder.input_px
        bundle.encoder.to(device)(torch.zeros(1, side, side, 3, dtype=torch.uint8, device=device))
