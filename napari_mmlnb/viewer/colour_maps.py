"""The report's colours as napari colour maps."""

from __future__ import annotations

import numpy as np
from napari.utils.colormaps import Colormap

from napari_mmlnb.report.colour_map import colour_table

AGAINST_RGB = (0.10, 0.20, 0.75)
"""Blue, away from haematoxylin's violet, for what speaks against a class."""


def attention_colormap() -> Colormap:
    """Attention as the report draws it: nothing over green to yellow; transparent where there is no tile."""
    return Colormap(np.array(colour_table(256)), name="mmlnb attention", nan_color=(0, 0, 0, 0))


def contribution_colormap() -> Colormap:
    """Signed contribution: blue against the class, nothing at zero, attention's own colours for it."""
    towards = np.array(colour_table(128))
    against = towards[::-1].copy()
    against[:, :3] = AGAINST_RGB
    return Colormap(np.concatenate([against, towards]), name="mmlnb contribution", nan_color=(0, 0, 0, 0))
