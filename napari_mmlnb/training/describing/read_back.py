"""Writes the adapter and the merged model, reads both back, and compares them with the model that was trained."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from napari_mmlnb.errors import OutputError
from napari_mmlnb.training.describing.adapter import reload_adapter, save_merged
from napari_mmlnb.training.describing.answers import Conversation
from napari_mmlnb.training.describing.base_model import BaseFolder, load_model, load_processor
from napari_mmlnb.training.describing.config import DescribingConfig
from napari_mmlnb.training.describing.memory import let_go

ADAPTER_FOLDER, MERGED_FOLDER = "adapter", "merged"

TOLERANCE = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""Largest difference of a logit from the trained model's, as a share of the largest logit: rounding, no more."""


@dataclass(frozen=True)
class Probe:
    """A batch, and what the trained model said to it.

    Parameters
    ----------
    inputs : mapping of str to Tensor
        With pixels.
    logits : Tensor
        (tokens, V) float32, without padding.
    """

    inputs: Mapping[str, Tensor]
    logits: Tensor


def probe_of(model: Any, inputs: Mapping[str, Tensor]) -> Probe:
    """Ask the trained model."""
    return Probe(inputs, _logits(model, inputs))


@dataclass(frozen=True)
class Keeper:
    """Writes what a configuration wants kept, once it has been read back.

    Parameters
    ----------
    config : DescribingConfig
        What is kept.
    base : BaseFolder
        What the adapter belongs to.
    folder : Path
        Where `adapter/` and `merged/` go.
    dtype, device : torch.dtype, torch.device
        As in the training.
    ends : list of int
        Tokens that end an answer, for the merged model.
    """

    config: DescribingConfig
    base: BaseFolder
    folder: Path
    dtype: torch.dtype
    device: torch.device
    ends: list[int]

    def keep(self, adapter: Path, probe: Probe) -> dict[str, float]:
        """Read an adapter back, merge it if that is wanted, and put what holds into its place.

        Parameters
        ----------
        adapter : Path
            Folder that peft wrote.
        probe : Probe
            Of the trained model, which should have left memory.

        Returns
        -------
        dict of str to float
            "adapter", and "merged" where it is kept: the largest difference of a logit, as a share of the largest.

        Raises
        ------
        OutputError
            If what was written is not what was trained. Nothing takes its place then.
        """
        model = reload_adapter(self.base, adapter, self.dtype, self.device, four_bit=self.config.four_bit)
        said = {"adapter": self._same("adapter", model, probe, TOLERANCE[self.dtype])}
        if self.config.keep != "adapter":
            with tempfile.TemporaryDirectory(prefix=".merged-", dir=self.folder) as name:
                merged = Path(name) / MERGED_FOLDER
                said["merged"] = self._merge(model, adapter, merged, probe)
                _replace(merged, self.folder / MERGED_FOLDER)
        if self.config.keep != "merged":
            _replace(adapter, self.folder / ADAPTER_FOLDER)
        return said

    def _merge(self, model: Any, adapter: Path, folder: Path, probe: Probe) -> float:
        if self.config.four_bit:
            # Four bits cannot be merged into: the adapter goes on the plain weights, which say nearly the same.
            del model
            let_go()
            model = reload_adapter(self.base, adapter, self.dtype, self.device)
            probe = probe_of(model, probe.inputs)
        stored = getattr(torch, self.base.stored_dtype, self.dtype)
        processor = load_processor(self.base)
        save_merged(model, processor, folder, stored, self.ends)
        del model
        let_go()
        self._same_question(processor, folder)
        plain = load_model(folder, MERGED_FOLDER, self.dtype, self.device)
        return self._same("merged model", plain, probe, max(TOLERANCE[self.dtype], TOLERANCE.get(stored, 0.0)))

    def _same(self, what: str, model: Any, probe: Probe, tolerance: float) -> float:
        difference = float((_logits(model, probe.inputs) - probe.logits).abs().max() / probe.logits.abs().max())
        if not difference <= tolerance:
            raise OutputError(
                self.folder,
                f"the {what}, read back, differs from the model that was trained by {difference:.2g} of its largest "
                f"logit, where rounding is {tolerance:.2g} at most",
            )
        return difference

    def _same_question(self, processor: Any, folder: Path) -> None:
        """That the merged model's own processor puts the question as it was put in the training."""
        config, image = self.config, Image.effect_noise((self.config.image_px, self.config.image_px), 60).convert("RGB")
        merged = BaseFolder(MERGED_FOLDER, folder, "", "", "")
        one, other = (
            Conversation(each, config.prompt, config.image_px, config.max_length).ask(image)
            for each in (processor, load_processor(merged))
        )
        pairs = zip((*one[0].values(), *one[1].values()), (*other[0].values(), *other[1].values()), strict=True)
        if not all(torch.equal(a, b) for a, b in pairs):
            raise OutputError(folder, "the merged model's processor, read back, puts another question")


def _logits(model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    device = next(model.parameters()).device
    given = {name: value.to(device) for name, value in inputs.items()}
    model.eval()
    with torch.no_grad():
        said: Tensor = model(**given).logits.float().cpu()
    return said[inputs["attention_mask"].bool()]


def _replace(fresh: Path, place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    shutil.move(fresh, place)
