"""The epochs of the image-level recipe: what learns when, what it costs, and which epoch was the best."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from napari_mmlnb.models.fusion.prmf import PrmfGate
from napari_mmlnb.models.image_text import ImageTextAnswer, ImageTextNetwork
from napari_mmlnb.training.curriculum import Phase
from napari_mmlnb.training.image_level.data import ImageTextData, Rows, batches
from napari_mmlnb.training.image_level.towers import ASK_BOTH, Said, look, read
from napari_mmlnb.training.scores import score


@dataclass(frozen=True)
class Predictions:
    """What a network says of some cases.

    Parameters
    ----------
    fused, image : ndarray
        (n, K) probabilities.
    gate : ndarray
        (n,), how far the text was trusted; NaN where the network has no gate.
    """

    fused: npt.NDArray[np.float64]
    image: npt.NDArray[np.float64]
    gate: npt.NDArray[np.float64]

    def branches(self, image_answers: bool) -> dict[str, npt.NDArray[np.float64]]:
        """Probabilities by branch: the answer, and that of the image alone where it has one of its own."""
        return {"fused": self.fused, "image": self.image} if image_answers else {"fused": self.fused}


@dataclass(frozen=True)
class EpochRecord:
    """One epoch, for the log.

    Parameters
    ----------
    epoch : int
        From 1.
    phase : str
        Of the curriculum.
    alpha : float
        Loss = alpha CE(fused) + (1 - alpha) CE(image).
    image_learns, text_learns : bool
        Whether the tower was trained; the fusion and the heads always are.
    loss : float
        Mean over the batches.
    selection_f1, selection_f1_image : float
        Weighted F1 on the selection part, fused and of the image alone.
    gate : float
        Mean of the gate there; NaN where the network has none.
    """

    epoch: int
    phase: str
    alpha: float
    image_learns: bool
    text_learns: bool
    loss: float
    selection_f1: float
    selection_f1_image: float
    gate: float

    def line(self) -> str:
        """For a person."""
        learns = [name for name, on in (("image", self.image_learns), ("text", self.text_learns)) if on]
        return (
            f"epoch {self.epoch:3d} {self.phase:11s} alpha {self.alpha:.2f} learning: "
            f"{', '.join([*learns, 'fusion and head']):30s} loss {self.loss:.4f} selection F1 {self.selection_f1:.3f} "
            f"(image alone {self.selection_f1_image:.3f})" + gate_words(self.gate)
        )

    def row(self) -> dict[str, object]:
        """For a table."""
        return asdict(self)

    def scalars(self) -> dict[str, float]:
        """For TensorBoard."""
        return {name: getattr(self, name) for name in ("alpha", "loss", "selection_f1", "selection_f1_image", "gate")}


def gate_words(gate: float) -> str:
    """A gate for a person; nothing where there is none."""
    return f" gate {gate:.2f}" if np.isfinite(gate) else ""


def train_epoch(
    model: ImageTextNetwork,
    optimiser: torch.optim.Optimizer,
    data: ImageTextData,
    said: Said,
    rows: Rows,
    phase: Phase,
    batch: int,
    random: np.random.Generator,
) -> float:
    """Train one epoch under a phase's rule, whose frozen towers have `said` what they say; give the mean loss."""
    set_learning(model, phase)
    device = next(model.parameters()).device
    losses = []
    for chosen in batches(random.permutation(rows), batch):
        answer = _ask(model, data, said, chosen)
        labels = torch.from_numpy(data.labels[chosen]).to(device)
        loss = prmf_loss(answer.fused, answer.image, labels, phase.alpha)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def _ask(model: ImageTextNetwork, data: ImageTextData, said: Said, rows: Rows) -> ImageTextAnswer:
    return model.combine(look(model, data, rows, said), read(model, data, rows, said))


def prmf_loss(fused: Tensor, image: Tensor, labels: Tensor, alpha: float) -> Tensor:
    """Alpha CE(fused) + (1 - alpha) CE(image), of (B, K) logits, as published."""
    return alpha * functional.cross_entropy(fused, labels) + (1 - alpha) * functional.cross_entropy(image, labels)


def set_learning(model: ImageTextNetwork, phase: Phase) -> None:
    """Freeze and thaw towers and gate; a frozen tower evaluates (the released code leaves its dropout on)."""
    model.train()
    for name, learns in (("image", phase.image_learns), ("text", phase.text_learns)):
        model.get_submodule(name).train(learns).requires_grad_(learns)
    # It counts for nothing with alpha at 1; Adam would move it on by what it remembers.
    model.image_head.requires_grad_(phase.alpha < 1)
    for part in model.modules():
        if isinstance(part, PrmfGate):
            part.confidence.requires_grad_(phase.gate_learns)


def predict(model: ImageTextNetwork, data: ImageTextData, rows: Rows, batch: int, said: Said = ASK_BOTH) -> Predictions:
    """Answers for some cases, in evaluation mode; `said` of them are what frozen towers say."""
    model.eval()
    fused, image, gate = [], [], []
    with torch.inference_mode():
        for chosen in batches(rows, batch):
            answer = _ask(model, data, said, chosen)
            fused.append(torch.softmax(answer.fused.double(), dim=1).cpu().numpy())
            image.append(torch.softmax(answer.image.double(), dim=1).cpu().numpy())
            gate.append(answer.gate.double().cpu().numpy())
    return Predictions(np.concatenate(fused), np.concatenate(image), np.concatenate(gate))


def epoch_record(epoch: int, phase: Phase, loss: float, labels: Rows, said: Predictions) -> EpochRecord:
    """Put an epoch, counted from 0, on record; `labels` and `said` are of the selection part."""
    return EpochRecord(
        epoch=epoch + 1,
        phase=phase.name,
        alpha=phase.alpha,
        image_learns=phase.image_learns,
        text_learns=phase.text_learns,
        loss=loss,
        selection_f1=score(labels, said.fused).f1,
        selection_f1_image=score(labels, said.image).f1,
        gate=float(said.gate.mean()),
    )
