"""Which encoder runtimes there are."""

from __future__ import annotations

from napari_mmlnb.inference.runtimes.base import RuntimeKind
from napari_mmlnb.inference.runtimes.openvino_cpu import OPENVINO_BFLOAT16, OPENVINO_FLOAT32
from napari_mmlnb.inference.runtimes.torch_cpu import TORCH_BFLOAT16, TORCH_FLOAT16, TORCH_FLOAT32
from napari_mmlnb.registry import Registry

AUTO = "auto"
REFERENCE = TORCH_FLOAT32

RUNTIMES: Registry[RuntimeKind] = Registry(
    "runtime", (TORCH_FLOAT32, TORCH_BFLOAT16, TORCH_FLOAT16, OPENVINO_FLOAT32, OPENVINO_BFLOAT16)
)
