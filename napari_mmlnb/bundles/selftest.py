"""The known-answer test of a bundle: stored tiles and the outputs that they must give on this machine.

A model that gives another answer here than where it was trained (another library, device, precision, a broken
build) looks just as confident; so it is asked once, before the first slide, with what will compute that slide's
features.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import Tensor

from napari_mmlnb.bundles.bundle import Bundle, TrainedParts
from napari_mmlnb.bundles.spec import SELFTEST_FILE
from napari_mmlnb.bundles.weights_file import write_weights
from napari_mmlnb.errors import BundleError

MIN_COSINE = 0.999
MAX_LOGIT_ERROR = 0.05
MAX_LOGIT_SHARE = 0.03
"""In reduced precision a logit may also be off by this share of the distance between a branch's highest and lowest: a
cosine of 0.999 is a feature that is off by 4.5 % of its length."""

_LOGITS = ("image_logits", "text_logits", "fused_logits")

Tiles = npt.NDArray[np.uint8]
Encode = Callable[[Tiles], npt.NDArray[np.float32]]
"""(B, H, W, 3) uint8 to (B, F) float32."""


def _answers(bundle: TrainedParts, features: Tensor, ids: Tensor, device: torch.device) -> dict[str, Tensor]:
    """What the bundle says of tiles with these features, taken as the bag of one slide, with the stored text."""
    with torch.inference_mode():
        system = bundle.system.to(device)
        bag = features[None].to(device)
        image = system.answer_image(bag, torch.ones(bag.shape[:2], dtype=torch.bool, device=device))
        fused = system.answer_fused(image, ids.to(device))
        answers = {
            "features": features,
            "image_logits": image.logits,
            "text_logits": fused.text_logits,
            "fused_logits": fused.fused_logits,
            "gate": fused.gate,
        }
        return {name: tensor.float().cpu().contiguous() for name, tensor in answers.items()}


def _encoded(bundle: TrainedParts, pixels: Tensor, device: torch.device) -> Tensor:
    with torch.inference_mode():
        features: Tensor = bundle.encoder.to(device)(pixels.to(device))
    return features


def selftest_tiles(bundle: Bundle) -> Tiles:
    """The stored tiles, (n, H, W, 3) uint8: such as the model will see."""
    tiles: Tiles = load_file(bundle.folder / SELFTEST_FILE)["pixels"].numpy()
    return tiles


def write_selftest(bundle: TrainedParts, pixels: Tensor, text: str) -> None:
    """Store tiles, a text and the answers to them.

    Parameters
    ----------
    bundle : TrainedParts
        Freshly trained.
    pixels : Tensor
        (N, H, W, 3) uint8, a few tiles.
    text : str
        A description such as the text branch was trained on.
    """
    cpu = torch.device("cpu")
    ids = torch.from_numpy(bundle.tokenizer.encode([text]))
    answers = _answers(bundle, _encoded(bundle, pixels, cpu), ids, cpu)
    write_weights({"pixels": pixels, "ids": ids, **answers}, bundle.folder / SELFTEST_FILE)


def run_selftest(bundle: Bundle, device: torch.device) -> None:
    """Ask the stored question of the bundle's own network on a device.

    Raises
    ------
    BundleError
        If it fails; see `selftest_failure`.
    """

    def encode(pixels: Tiles) -> npt.NDArray[np.float32]:
        return _encoded(bundle, torch.from_numpy(pixels), device).cpu().numpy()

    failure = selftest_failure(bundle, device, encode, device.type)
    if failure:
        raise BundleError(bundle.spec.name, failure, "Do not trust this model here; try --device cpu.")


def selftest_failure(bundle: Bundle, device: torch.device, encode: Encode, where: str, *, reduced: bool = False) -> str:
    """Ask the stored question and compare.

    Parameters
    ----------
    bundle : Bundle
        Whose question.
    device : torch.device
        Where everything after the features is computed.
    encode : callable
        What computes the features: that which will compute the slide's.
    where : str
        The same for a person.
    reduced : bool
        Whether it computes in less than float32.

    Returns
    -------
    str
        Empty if it answers rightly; else one sentence: features differ by more than cosine `MIN_COSINE` allows, or
        a logit by more than `MAX_LOGIT_ERROR` (in reduced precision, or `MAX_LOGIT_SHARE`).
    """
    stored = load_file(bundle.folder / SELFTEST_FILE)
    features = torch.from_numpy(encode(stored["pixels"].numpy()))
    answers = _answers(bundle, features, stored["ids"], device)
    cosine = float(torch.cosine_similarity(answers["features"], stored["features"], dim=1).min())
    # Comparisons that NaN fails.
    errors = [(float((answers[name] - stored[name]).abs().max()), _allowed(stored[name], reduced)) for name in _LOGITS]
    if cosine >= MIN_COSINE and all(error <= limit for error, limit in errors):
        return ""
    error, limit = next((pair for pair in errors if not pair[0] <= pair[1]), max(errors))
    return (
        f"The self-test of {bundle.spec.name} fails with {where}: cosine {cosine:.5f} (at least {MIN_COSINE}), "
        f"logit error {error:.3g} (at most {limit:.2g})."
    )


def _allowed(logits: Tensor, reduced: bool) -> float:
    spread = float(logits.max() - logits.min())
    return max(MAX_LOGIT_ERROR, MAX_LOGIT_SHARE * spread) if reduced else MAX_LOGIT_ERROR
