"""Two copies of LLVM in one process: the GL driver's and torch's.

Mesa puts the symbols of its LLVM where every library loaded later finds them first. Triton, which torch imports on
Linux, brings an LLVM of its own, takes Mesa's functions for it, and the process dies. A window with a canvas is up long
before torch is needed here, so Triton is loaded in a way that lets it prefer its own symbols.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec


def load_triton_apart() -> None:
    """Load Triton, where it is installed, with its own symbols first; does nothing the second time, or elsewhere."""
    if sys.platform != "linux" or "triton" in sys.modules or find_spec("triton") is None:
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        import_module("triton")
    except ImportError:
        # Torch does without it, and says so where it matters.
        return
    finally:
        sys.setdlopenflags(flags)
