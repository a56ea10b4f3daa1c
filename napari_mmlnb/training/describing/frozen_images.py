"""What the frozen image part makes of each image, computed once and reused in every epoch.

Where the adapter is on the language model alone, the image part and the projector give the same features for an image
each time. Stock models of transformers take such features in place of pixels (`mm_encoder_outputs`); a model that does
not, or that says something else with them than with pixels, is given pixels.
"""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_mmlnb.errors import OutputError, RequestError
from napari_mmlnb.inference.runtimes.halving import is_out_of_memory
from napari_mmlnb.training.describing.answers import Exchange, collated
from napari_mmlnb.training.describing.targets import language_model_name

_ARGUMENT = "mm_encoder_outputs"
_PIXELS = "pixel_"
_LEFT_FREE = 500_000_000
_TOLERANCE = 1e-4
"""Of the largest logit, in float32; rounding alone in narrower types."""


@dataclass(frozen=True)
class _Shape:
    """How a model gives the features of one image: `parts` of them, (..., D) each, in a tuple or as rows."""

    parts: int
    part: tuple[int, ...]
    as_tuple: bool


@dataclass
class FrozenImages:
    """Features by case, in a file of their own that ends with the training.

    Parameters
    ----------
    model : Module
        The describing model with its adapter.
    padding_id : int
        Of batches.
    path : Path
        Of the file.
    cases : int
        How many there are.
    """

    model: Any
    padding_id: int
    path: Path
    cases: int
    _shape: _Shape | None = field(default=None, init=False)
    _known: set[int] = field(default_factory=set, init=False)
    _rows: Tensor = field(default_factory=lambda: torch.empty(0), init=False)

    def __enter__(self) -> FrozenImages:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.model, self._rows = None, torch.empty(0)
        self.path.unlink(missing_ok=True)

    def missing(self, rows: Sequence[int]) -> list[int]:
        """Those of these cases whose features are not there yet."""
        return [row for row in rows if row not in self._known]

    def learn(self, rows: Sequence[int], images: Sequence[Mapping[str, Tensor]]) -> None:
        """Compute and keep the features of these cases."""
        batch = {name: torch.cat([image[name] for image in images]) for name in images[0]}
        features, shape = _features(self.model, batch, len(rows))
        if self._shape is None:
            self._shape = shape
            self._rows = _file(self.path, (self.cases, *features.shape[1:]), features.dtype)
        self._rows[list(rows)] = features.cpu()
        self._known.update(rows)

    def batch(self, rows: Sequence[int], exchanges: Sequence[Exchange]) -> tuple[dict[str, Any], Tensor]:
        """As `collated`, with the features of these cases in place of their pixels, which may be missing."""
        inputs, labels = collated(exchanges, self.padding_id)
        kept: dict[str, Any] = without_pixels(inputs)
        kept[_ARGUMENT] = {"image": _outputs(self._rows[list(rows)].to(_device(self.model)), self._shape)}
        return kept, labels


def reusable(model: Any, exchanges: Sequence[Exchange], padding_id: int) -> str:
    """Why the image part of this model cannot be computed once; empty where it can.

    Parameters
    ----------
    model : Module
        The describing model with its adapter, in eval mode.
    exchanges : sequence of Exchange
        One or more, to try it with.
    padding_id : int
        Of batches.
    """
    stock = stock_model(model)
    try:
        return _refusal(model, stock, exchanges, padding_id)
    except (AttributeError, TypeError, ValueError, RuntimeError, RequestError) as error:
        # Of some hundred architectures, each its own way: pixels always work.
        if is_out_of_memory(error):
            raise
        return f"a {type(stock).__name__} does not take features ({str(error).splitlines()[0]})"


def without_pixels(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What features do not replace: how many of them there are in each direction sets the positions of the tokens."""
    return {name: tensor for name, tensor in inputs.items() if not name.startswith(_PIXELS)}


def stock_model(model: Any) -> Any:
    """The class of transformers inside peft's."""
    inner = getattr(model, "get_base_model", None)
    return inner() if inner is not None else model


def _refusal(model: Any, stock: Any, exchanges: Sequence[Exchange], padding_id: int) -> str:
    if _ARGUMENT not in inspect.signature(stock.forward).parameters:
        return f"a {type(stock).__name__} takes pixels only"
    language = language_model_name(stock)
    learning = [name for name, weight in stock.named_parameters() if weight.requires_grad]
    if not all(name.startswith(f"{language}.") for name in learning):
        return "the adapter is on the image part too"
    inputs, _ = collated(exchanges, padding_id)
    inputs = {name: tensor.to(_device(model)) for name, tensor in inputs.items()}
    pixels = {name: tensor for name, tensor in inputs.items() if name not in exchanges[0].question}
    with torch.no_grad():
        expected = model(**inputs).logits.float()
        features, shape = _features(model, pixels, len(exchanges))
        said = model(**without_pixels(inputs), **{_ARGUMENT: {"image": _outputs(features, shape)}}).logits.float()
    if float((said - expected).abs().max()) > _TOLERANCE * float(expected.abs().max()):
        return f"a {type(stock).__name__} answers otherwise with features than with pixels"
    return ""


def _features(model: Any, images: Mapping[str, Tensor], cases: int) -> tuple[Tensor, _Shape]:
    """(cases, F, D) features, and how the model wants them back."""
    stock = stock_model(model)
    wanted = inspect.signature(stock.get_image_features).parameters
    device = _device(model)
    with torch.no_grad():
        given = stock.get_image_features(
            **{name: tensor.to(device) for name, tensor in images.items() if name in wanted}, return_dict=True
        ).pooler_output
    as_tuple = not isinstance(given, Tensor)
    parts = len(given)
    rows = torch.stack(list(given)) if as_tuple else given
    shape = _Shape(parts // cases, tuple(rows.shape[1:]), as_tuple)
    return rows.reshape(cases, -1, rows.shape[-1]), shape


def _outputs(features: Tensor, shape: _Shape | None) -> Any:
    from transformers.modeling_outputs import BaseModelOutputWithPooling  # noqa: PLC0415 - an extra

    if shape is None:
        raise RuntimeError("no features have been computed")
    rows = features.reshape(len(features) * shape.parts, *shape.part)
    given: Any = tuple(rows) if shape.as_tuple else rows
    return BaseModelOutputWithPooling(pooler_output=given)


def _file(path: Path, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A tensor that lives in a file: pages that are not needed leave memory by themselves.

    Raises
    ------
    OutputError
        If the disk is too small: a process that writes such a page there is killed, without a word.
    """
    size = int(np.prod(shape)) * dtype.itemsize
    path.unlink(missing_ok=True)
    if shutil.disk_usage(path.parent).free < size + _LEFT_FREE:
        raise OutputError(path.parent, f"the features of the images need {size / 1e9:.1f} GB there")
    return torch.from_file(str(path), shared=True, size=int(np.prod(shape)), dtype=dtype).reshape(shape)


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
