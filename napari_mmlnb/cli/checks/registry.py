"""All checks, in the order in which their findings are shown."""

from __future__ import annotations

from napari_mmlnb.cli.checks import bundles, caches, device, extras, packages, rate, runtimes, slides, window
from napari_mmlnb.registry import Registry

CHECKS = Registry(
    "check",
    (
        packages.CHECK,
        device.CHECK,
        device.GRAPHICS,
        runtimes.CHECK,
        slides.CHECK,
        window.CHECK,
        caches.CHECK,
        bundles.CHECK,
        extras.CHECK,
        rate.CHECK,
    ),
)
