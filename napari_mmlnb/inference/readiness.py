"""What a first run would wait for, done before anybody asks: libraries, the bundle, a first tile encoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_mmlnb.bundles.kept import kept_bundle
from napari_mmlnb.inference.bundle_runtime import bundle_runtime
from napari_mmlnb.inference.code_version import code_digest
from napari_mmlnb.inference.device import choose_device
from napari_mmlnb.inference.generated import shown_describer
from napari_mmlnb.inference.settings import RunSettings


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
    runtime = bundle_runtime(bundle, device).runtime
    code_digest()
    side = bundle.spec.encoder.input_px
    runtime.encode(np.zeros((1, side, side, 3), dtype=np.uint8))
    # Not its weights, which a run loads and frees, but the libraries that they need: seconds.
    shown_describer(bundle, RunSettings(), device.type)
