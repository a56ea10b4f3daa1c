"""The known-answer test of a bundle: stored tiles and the outputs that they must give on this machine.

A model that gives another answer here than where it was trained (another library, device, precision, a broken
build) looks just as confident; so it is asked once, before the first slide.
"""

from __future__ import annotations

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.spec import SELFTEST_FILE
from napari_mmlnb.errors import BundleError

MIN_COSINE = 0.999
MAX_LOGIT_ERROR = 0.05


def _answers(bundle: Bundle, pixels: Tensor, ids: Tensor, device: torch.device) -> dict[str, Tensor]:
    """What the bundle says of the stored tiles, taken as the bag of one slide, with the stored text."""
    with torch.inference_mode():
        encoder, system = bundle.encoder.to(device), bundle.system.to(device)
        features = encoder(pixels.to(device))
        image = system.answer_image(features[None], torch.ones(1, len(features), dtype=torch.bool, device=device))
        fused = system.answer_fused(image, ids.to(device))
        answers = {
            "features": features,
            "image_logits": image.logits,
            "text_logits": fused.text_logits,
            "fused_logits": fused.fused_logits,
            "gate": fused.gate,
        }
        return {name: tensor.float().cpu().contiguous() for name, tensor in answers.items()}


def write_selftest(bundle: Bundle, pixels: Tensor, text: str) -> None:
    """Store tiles, a text and the answers to them.

    Parameters
    ----------
    bundle : Bundle
        Freshly trained.
    pixels : Tensor
        (N, H, W, 3) uint8, a few tiles.
    text : str
        A description such as the text branch was trained on.
    """
    ids = torch.from_numpy(bundle.tokenizer.encode([text]))
    stored = {"pixels": pixels.contiguous(), "ids": ids, **_answers(bundle, pixels, ids, torch.device("cpu"))}
    save_file(stored, bundle.folder / SELFTEST_FILE)


def run_selftest(bundle: Bundle, device: torch.device) -> None:
    """Ask the stored question on a device and compare.

    Raises
    ------
    BundleError
        If features differ by more than cosine `MIN_COSINE` allows, or any logit by more than `MAX_LOGIT_ERROR`.
    """
    stored = load_file(bundle.folder / SELFTEST_FILE)
    answers = _answers(bundle, stored["pixels"], stored["ids"], device)
    cosine = float(torch.cosine_similarity(answers["features"], stored["features"], dim=1).min())
    error = max(
        float((answers[name] - stored[name]).abs().max()) for name in ("image_logits", "text_logits", "fused_logits")
    )
    # Negated comparisons, so that NaN fails.
    if not cosine >= MIN_COSINE or not error <= MAX_LOGIT_ERROR:
        raise BundleError(
            bundle.spec.name,
            f"The self-test of {bundle.spec.name} fails on {device.type}: cosine {cosine:.5f} (at least {MIN_COSINE}), "
            f"largest logit error {error:.3g} (at most {MAX_LOGIT_ERROR}).",
            "Do not trust this model here; try --device cpu.",
        )
