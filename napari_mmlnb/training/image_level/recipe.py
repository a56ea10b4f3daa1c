"""From a table of images to a trained network and its scores: MMLNB's stage B at image level."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from napari_mmlnb import __version__
from napari_mmlnb.bundles.weights_file import write_weights
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import OutputError, RequestError
from napari_mmlnb.inference.device import choose_device
from napari_mmlnb.training.board import Board
from napari_mmlnb.training.config import read_as
from napari_mmlnb.training.csv_table import write_table
from napari_mmlnb.training.curriculum import Phase
from napari_mmlnb.training.image_level.arms import ARMS
from napari_mmlnb.training.image_level.card import write_card
from napari_mmlnb.training.image_level.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from napari_mmlnb.training.image_level.config import ImageLevelConfig
from napari_mmlnb.training.image_level.data import ImageTextData, Rows
from napari_mmlnb.training.image_level.images import RGB, image_digests, read_images
from napari_mmlnb.training.image_level.loop import (
    EpochRecord,
    Predictions,
    epoch_record,
    gate_words,
    predict,
    train_epoch,
)
from napari_mmlnb.training.image_level.parts import (
    configured_image_tower,
    configured_text_tower,
    configured_tokenizer,
    given_weights,
    save_shape,
)
from napari_mmlnb.training.image_level.table import ImageCase, counts_note, naming_note, read_cases
from napari_mmlnb.training.image_level.towers import ASK_BOTH, ask_frozen
from napari_mmlnb.training.log_file import LOG_FILE, Log, written_to
from napari_mmlnb.training.run_folder import claim
from napari_mmlnb.training.score_tables import finite, score_record
from napari_mmlnb.training.scores import score_with_intervals
from napari_mmlnb.training.splits import (
    Split,
    split_as_given,
    split_as_published,
    split_by_patient,
    unused_split_note,
)
from napari_mmlnb.training.state_file import CHECKPOINT_FILE

CONFIG_FILE = "train.yaml"
LEARNED_FILE = "learned-from.json"
"""Digests of the images that were learned from or chose the epoch, so that nobody is measured on them."""
_NOT_LEARNING = {"name", "data", "device", "checkpoint_epochs"}
"""Of a configuration: what may be changed between the halves of a training. Data count by their content."""
WEIGHTS_FILE, SCORES_FILE, EPOCHS_FILE, PREDICTIONS_FILE = (
    "model.safetensors",
    "scores.json",
    "epochs.csv",
    "predictions.csv",
)


@dataclass(frozen=True)
class ImageCohort:
    """A table of images, read.

    Parameters
    ----------
    cases : tuple of ImageCase
        Its rows.
    pixels : ndarray
        (n, side, side, 3) uint8, of the same rows.
    table_sha256 : str
        Of the table's file.
    """

    cases: tuple[ImageCase, ...]
    pixels: RGB
    table_sha256: str


@dataclass(frozen=True)
class Outcome:
    """What a training came to, on the part that is reported.

    Parameters
    ----------
    folder : Path
        Where all is written.
    labels : ndarray
        (n,) class numbers.
    groups : tuple of str
        (n,), the patients.
    said : Predictions
        The answers.
    """

    folder: Path
    labels: Rows
    groups: tuple[str, ...]
    said: Predictions


def train_images(path: Path, out: Path, *, log: Log, replace: bool = False) -> Path:
    """Train at image level.

    Parameters
    ----------
    path : Path
        A YAML file that fits `ImageLevelConfig`.
    out : Path
        Folder; all is written into ``out/NAME``: the best epoch's network (`model.safetensors`, `tokenizer.json`), the
        scores with intervals (`scores.json`), its card, every epoch (`epochs.csv`, `train.log`, TensorBoard), the
        answers for the reported cases (`predictions.csv`) and the configuration.
    log : callable
        Told a line at a time.
    replace : bool
        Move what another training left there aside, instead of refusing.

    Returns
    -------
    Path
        That folder.

    Raises
    ------
    RequestError
        If the configuration, the table or an image is wrong, the cases cannot be split, or another training is there.
    OutputError
        If nothing can be written there.
    """
    config = read_as(ImageLevelConfig, path)
    return train_configured(config, path.parent, read_cohort(config, path.parent), out, log=log, replace=replace).folder


def read_cohort(config: ImageLevelConfig, base: Path) -> ImageCohort:
    """The table and all its images, in memory; raises RequestError as `read_cases` and `read_images`."""
    table = base / config.data.table
    cases = read_cases(table, base / config.data.images, config.classes, config.class_words)
    return ImageCohort(cases, read_images(cases), file_sha256(table))


def train_configured(
    config: ImageLevelConfig, base: Path, cohort: ImageCohort, out: Path, *, log: Log, replace: bool = False
) -> Outcome:
    """Train as a configuration says whose paths count from `base`; all else as `train_images`."""
    split, folder = split_cases(config, cohort.cases), out / config.name
    training = _Training(config, base, cohort, split, folder)
    try:
        training.claim(replace=replace)
        training.save_inputs()
        return training.run(written_to(folder / LOG_FILE, log))
    except OSError as error:
        raise OutputError(folder, error.strerror or "it cannot be written") from error


def split_cases(config: ImageLevelConfig, cases: tuple[ImageCase, ...]) -> Split:
    """Split as the configuration says.

    Raises
    ------
    RequestError
        If the table does not say what the split needs, or it cannot be made.
    """
    if config.split == "image_level_as_published":
        return split_as_published(len(cases))
    patients = [case.patient for case in cases]
    if not all(patients):
        raise RequestError(
            f"{patients.count('')} of {len(cases)} rows of the table name no patient.",
            "Fill the column patient; without it nobody can tell whether what is reported was learned.",
        )
    if config.split == "given":
        labels = [case.label for case in cases]
        return split_as_given([case.part for case in cases], patients, labels, config.classes)
    return split_by_patient([case.label for case in cases], patients, config.classes, config.seed)


class _Training:
    """One training: what its steps hand to one another."""

    def __init__(
        self,
        config: ImageLevelConfig,
        base: Path,
        cohort: ImageCohort,
        split: Split,
        folder: Path,
    ) -> None:
        self.config = config
        self.cohort = cohort
        self.cases = cohort.cases
        self.split = split
        self.known: Rows = np.union1d(split.train, split.selection)
        self.folder = folder
        self.log: Log = _silent
        torch.manual_seed(config.seed)
        texts = [self.cases[row].description for row in split.train]
        self.tokenizer = configured_tokenizer(config.text, base, texts)
        image = configured_image_tower(config.image, base)
        text = configured_text_tower(config.text, base, self.tokenizer.vocabulary)
        self.given = given_weights(config.image, config.text, base)
        self.device = choose_device(config.device).device
        self.arm = ARMS.get(config.arm)
        self.model = self.arm.network(image, text, len(config.classes)).to(self.device)
        self.data = ImageTextData(
            cohort.pixels,
            torch.from_numpy(self.tokenizer.encode([case.description for case in self.cases])),
            np.array([case.label for case in self.cases], dtype=np.int64),
        )

    def claim(self, *, replace: bool) -> None:
        """Make the folder, or come back to it; raises RequestError if another training is there."""
        made_of = {
            "version": __version__,
            "configuration": self.config.model_dump(mode="json", exclude=_NOT_LEARNING | {"image", "text"}),
            "image tower": self.config.image.name,
            "text tower": self.config.text.model_dump(mode="json", exclude={"folder"}),
            **self.given,
            "table": self.cohort.table_sha256,
            "images": hashlib.sha256(self.cohort.pixels.data).hexdigest(),
            "network": hashlib.sha256(repr(self.model).encode()).hexdigest(),
        }
        self.digest = claim((self.folder,), made_of, precious=(CHECKPOINT_FILE, WEIGHTS_FILE), replace=replace)

    def save_inputs(self) -> None:
        """Write what is known before anything is learned; raises OSError."""
        told = yaml.safe_dump(self.config.model_dump(mode="json"), sort_keys=False)
        (self.folder / CONFIG_FILE).write_text(told, encoding="utf-8")
        self.tokenizer.save(self.folder)
        save_shape(self.model.text, self.folder)
        learned = sorted(image_digests(self.cohort.pixels[self.known]))
        (self.folder / LEARNED_FILE).write_text(json.dumps(learned) + "\n", encoding="utf-8")

    def run(self, log: Log) -> Outcome:
        """Train, go back to the best epoch, and report."""
        self.log = log
        split, classes = self.split, self.config.classes
        unused = unused_split_note([case.part for case in self.cases], self.config.split)
        for note in (counts_note(self.cases, classes), naming_note(self.cases, classes), unused):
            if note:
                log(note)
        self.log(
            f"{len(self.cases)} images, split {split.name}: {len(split.train)} to learn, {len(split.selection)} to "
            f"select, {len(split.report)} to report; on {self.device.type}"
        )
        records, best = self._epochs(self.digest)
        self.model.load_state_dict(best)
        write_weights(best, self.folder / WEIGHTS_FILE)
        return self._report(records)

    def _epochs(self, digest: str) -> tuple[list[EpochRecord], dict[str, Tensor]]:
        config, split = self.config, self.split
        optimiser = torch.optim.Adam(self.model.parameters(), lr=config.learning_rate)
        records: list[EpochRecord] = []
        best = _copy(self.model)
        kept = read_checkpoint(self.folder, digest)
        if kept is not None and kept.over:
            return list(kept.records), kept.best
        if kept is not None:
            self.model.load_state_dict(kept.model)
            optimiser.load_state_dict(kept.optimiser)
            records, best = list(kept.records), kept.best
            self.log(f"going on after epoch {len(records)}")
        curriculum = config.curriculum
        total = curriculum.image_first + curriculum.joint + curriculum.consolidate
        begun, said, seen = "", ASK_BOTH, self.known
        with Board(self.folder, len(records)) as board:
            for epoch in range(len(records), total):
                phase = self.arm.phase(epoch, curriculum)
                if phase.name != begun:
                    begun, said = phase.name, ask_frozen(self.model, self.data, seen, phase, config.batch)
                # Of the epoch alone, so that a training that goes on draws what it would have drawn.
                torch.manual_seed(config.seed * 100_003 + epoch)
                random = np.random.default_rng([config.seed, epoch])
                loss = train_epoch(self.model, optimiser, self.data, said, split.train, phase, config.batch, random)
                answers = predict(self.model, self.data, split.selection, config.batch, said)
                record = epoch_record(epoch, phase, loss, self.data.labels[split.selection], answers)
                if not records or record.selection_f1 > max(one.selection_f1 for one in records):
                    best = _copy(self.model)
                records.append(record)
                self.log(record.line())
                board.add(record.epoch, record.scalars())
                if self._is_over(records, phase):
                    self.log(f"no better epoch for {config.patience}: ends here")
                    break
                if len(records) % config.checkpoint_epochs == 0:
                    state = Checkpoint(digest, _copy(self.model), best, optimiser.state_dict(), tuple(records))
                    write_checkpoint(self.folder, state)
        write_checkpoint(self.folder, Checkpoint(digest, {}, best, {}, tuple(records), over=True))
        return records, best

    def _is_over(self, records: list[EpochRecord], phase: Phase) -> bool:
        """Whether the last phase has gone on for long enough without a better epoch."""
        patience = self.config.patience
        if patience is None or phase.alpha < 1:
            return False
        last = [one.selection_f1 for one in records if one.phase == phase.name]
        return len(last) > patience and max(last[-patience:]) <= max(last[:-patience])

    def _report(self, records: list[EpochRecord]) -> Outcome:
        """Scores of the best epoch on the part that nothing was chosen on."""
        rows = self.split.report
        said = predict(self.model, self.data, rows, self.config.batch)
        best = max(records, key=lambda one: one.selection_f1)
        labels, groups = self.data.labels[rows], [self.cases[row].patient or str(row) for row in rows]
        branches = {
            name: score_with_intervals(labels, p, groups, seed=self.config.seed)
            for name, p in said.branches(self.arm.image_answers).items()
        }
        told = {
            "split": self.split.name,
            "classes": list(self.config.classes),
            "best_epoch": best.epoch,
            "gate_mean": finite(float(said.gate.mean())),
            **{name: score_record(report) for name, report in branches.items()},
        }
        known = bool(self.cases[0].patient)
        write_card(self.folder, self.config, self.split, self.cohort.table_sha256, best.epoch, branches, known)
        (self.folder / SCORES_FILE).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        write_table(self.folder / EPOCHS_FILE, [one.row() for one in records])
        write_table(self.folder / PREDICTIONS_FILE, list(self._answers(rows, said)))
        self.log(f"best epoch {best.epoch},{gate_words(float(said.gate.mean()))} on {len(rows)} reported images")
        for name, report in branches.items():
            low_high = report.intervals["f1"]
            self.log(
                f"{name}: weighted F1 {report.scores.f1:.3f} (95 % {low_high.low:.3f} to {low_high.high:.3f}), "
                f"balanced accuracy {report.scores.balanced_accuracy:.3f}"
            )
        return Outcome(self.folder, labels, tuple(groups), said)

    def _answers(self, rows: Rows, said: Predictions) -> list[dict[str, object]]:
        ids, both = self.config.classes, self.arm.image_answers
        return [
            {
                "file_name": self.cases[row].file_name,
                "class": ids[self.cases[row].label],
                "predicted": ids[int(fused.argmax())],
                **{f"fused_{id_}": round(float(p), 6) for id_, p in zip(ids, fused, strict=True)},
                **({f"image_{id_}": round(float(p), 6) for id_, p in zip(ids, image, strict=True)} if both else {}),
                "gate": "" if np.isnan(gate) else round(float(gate), 6),
            }
            for row, fused, image, gate in zip(rows, said.fused, said.image, said.gate, strict=True)
        ]


def _silent(_: str) -> None:
    """Nobody is told before the folder is ours."""


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
