"""From a table of images and descriptions to a describing model that has learned from them: MMLNB's stage A."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from napari_mmlnb import __version__
from napari_mmlnb.describe.describing_facts import DescribingFacts
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import OutputError
from napari_mmlnb.inference.device import choose_device
from napari_mmlnb.training.config import read_as
from napari_mmlnb.training.csv_table import write_table
from napari_mmlnb.training.describing.adapter import learning_weights, put_on, save_adapter
from napari_mmlnb.training.describing.answers import Conversation, collated
from napari_mmlnb.training.describing.base_model import BaseFolder, dtype_for, find_base, load_model, load_processor
from napari_mmlnb.training.describing.card import Card
from napari_mmlnb.training.describing.cases import DescribedCases, read_described, table_notes
from napari_mmlnb.training.describing.class_words import ClassWords
from napari_mmlnb.training.describing.config import DescribingConfig
from napari_mmlnb.training.describing.course import Course, Learned
from napari_mmlnb.training.describing.frozen_images import FrozenImages, reusable
from napari_mmlnb.training.describing.held_out import Comparison, HeldOut, read_held_out
from napari_mmlnb.training.describing.images import check_images
from napari_mmlnb.training.describing.lessons import Lessons
from napari_mmlnb.training.describing.libraries import check_libraries
from napari_mmlnb.training.describing.loop import measure_answers
from napari_mmlnb.training.describing.memory import let_go
from napari_mmlnb.training.describing.read_back import ADAPTER_FOLDER, MERGED_FOLDER, Keeper, probe_of
from napari_mmlnb.training.describing.samples import Sample, write_samples
from napari_mmlnb.training.describing.speaking import describe, end_tokens
from napari_mmlnb.training.log_file import LOG_FILE, Log, written_to
from napari_mmlnb.training.run_folder import claim
from napari_mmlnb.training.splits import Rows
from napari_mmlnb.training.state_file import CHECKPOINT_FILE

METRICS_FILE, STEPS_FILE, EPOCHS_FILE = "metrics.json", "steps.csv", "epochs.csv"
BEFORE_FILE, FEATURES_FILE, CONFIG_FILE = "before.json", "image-features.bin", "train.yaml"
_PROBED = 2
_NOT_LEARNING = {"name", "data", "model", "keep", "samples", "checkpoint_steps", "device", "report_texts", "generation"}
"""Of a configuration: what may be changed between the halves of a fine-tuning."""


def finetune(path: Path, out: Path, *, log: Log, replace: bool = False) -> Path:
    """Fine-tune a describing model.

    Parameters
    ----------
    path : Path
        A YAML file that fits `DescribingConfig`.
    out : Path
        Folder; all is written into ``out/NAME``: the adapter (`adapter/`), the merged model (`merged/`), held-out
        figures before and after (`metrics.json`), samples (`samples.md`, `samples.json`), every step (`steps.csv`,
        `epochs.csv`, `train.log`, TensorBoard), the card and the configuration. What was stopped there goes on.
    log : callable
        Told a line at a time.
    replace : bool
        Move what another fine-tuning left there aside, instead of refusing.

    Returns
    -------
    Path
        That folder.

    Raises
    ------
    RequestError
        If the configuration, the table, an image or the model is wrong, the cases cannot be split, or another
        fine-tuning is there.
    OutputError
        If nothing can be written there, or what was written, read back, is not what was trained.
    MissingExtraError
        If transformers or peft is not installed.
    """
    config = read_as(DescribingConfig, path)
    cohort = read_described(config, path.parent)
    check_libraries()
    base = find_base(config, path.parent)
    check_images(cohort.cases)
    folder = out / config.name
    try:
        digest = _claimed(folder, config, cohort, base, replace=replace)
        told = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        (folder / CONFIG_FILE).write_text(told, encoding="utf-8")
        with ExitStack() as stack:
            told_to = written_to(folder / LOG_FILE, log)
            for note in table_notes(config, cohort.cases):
                told_to(note)
            return _FineTuning(config, cohort, base, folder, digest, told_to, stack).run()
    except OSError as error:
        raise OutputError(folder, error.strerror or str(error)) from error


def _claimed(folder: Path, config: DescribingConfig, cohort: DescribedCases, base: BaseFolder, *, replace: bool) -> str:
    """Make the folder, or come back to it; what names this fine-tuning."""
    images = hashlib.sha256("".join(file_sha256(case.path) for case in cohort.cases).encode()).hexdigest()
    made_of = {
        "version": __version__,
        "configuration": config.model_dump(mode="json", exclude=_NOT_LEARNING),
        "table": cohort.table_sha256,
        "images": images,
        "base": base.sha256,
        "computed in": str(dtype_for(config.precision, choose_device(config.device).device)),
    }
    return claim((folder,), made_of, precious=(CHECKPOINT_FILE, METRICS_FILE), replace=replace)


class _FineTuning:
    """One fine-tuning: what its steps hand to one another."""

    def __init__(
        self,
        config: DescribingConfig,
        cohort: DescribedCases,
        base: BaseFolder,
        folder: Path,
        digest: str,
        log: Log,
        stack: ExitStack,
    ) -> None:
        self.config, self.cohort, self.base, self.folder, self.log = config, cohort, base, folder, log
        self.digest = digest
        self._stack = stack
        self.split = cohort.split
        self.device = choose_device(config.device).device
        self.dtype = dtype_for(config.precision, self.device)
        self.processor = load_processor(base)
        self.conversation = Conversation(self.processor, config.prompt, config.image_px, config.max_length)
        self.conversation.check_answers([case.description for case in cohort.cases])
        torch.manual_seed(config.seed)
        model = load_model(base.folder, base.name, self.dtype, self.device, four_bit=config.four_bit)
        self.model = put_on(model, config, base)
        if config.gradient_checkpointing:
            self.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        self.lessons = Lessons(cohort.cases, self.conversation, self._frozen_images())
        self.described = self._chosen()

    def _frozen_images(self) -> FrozenImages | None:
        """Where the model lets us, features of images in place of pixels."""
        probe = Lessons(self.cohort.cases, self.conversation)
        self.model.eval()
        why = reusable(self.model, [probe.exchange(int(self.split.train[0]))], self.conversation.padding_id)
        if why:
            self.log(f"the image part is computed for every step: {why}")
            return None
        self.log("the image part is frozen: computed once for each image")
        path = self.folder / FEATURES_FILE
        return self._stack.enter_context(
            FrozenImages(self.model, self.conversation.padding_id, path, len(self.cohort.cases))
        )

    def _chosen(self) -> Rows:
        """Places in the held-out part that are described; the first `samples` of them are shown."""
        random = np.random.default_rng(self.config.seed)
        return random.permutation(len(self.split.report))[: self.config.report_texts].astype(np.int64)

    def run(self) -> Path:
        """Measure, learn, measure again, write, read back."""
        parts = (len(self.split.train), len(self.split.selection), len(self.split.report))
        self.log(
            f"{len(self.cohort.cases)} images, split {self.split.name}: {parts[0]} to learn, {parts[1]} to select, "
            f"{parts[2]} to report; {self.base.name} in {str(self.dtype).removeprefix('torch.')} on {self.device.type}"
        )
        learning = learning_weights(self.model)
        layers = sorted({name.rpartition(".lora_")[0] for name in learning if ".lora_" in name})
        self.log(f"{sum(map(torch.numel, learning.values()))} weights learn, on {len(layers)} layers")
        before = self._before()
        learned = Course(self.config, self.model, self.lessons, self.split, self.folder, self.digest, self.log).run()
        after = self._measured()
        self.log("held out, after: " + self._line(after))
        training = {
            "steps": len(learned.steps),
            "kept_epoch": learned.kept,
            "layers": len(layers),
            "learning_weights": sum(map(torch.numel, learning.values())),
            "batch_at_the_end": learned.steps[-1].batch,
            "answers_cut": self.lessons.cut,
            "descriptions_naming_a_class": self.cohort.naming_a_class,
        }
        del learning
        read_back = self._weights()
        self._figures(before, after, training, learned, read_back)
        return self.folder

    def _before(self) -> HeldOut:
        path = self.folder / BEFORE_FILE
        told = (self.digest, self.config.report_texts, self.config.generation.model_dump_json())
        digest = hashlib.sha256(repr(told).encode()).hexdigest()
        kept = read_held_out(path, digest)
        if kept is None:
            kept = self._measured()
            kept.write(path, digest)
        self.log("held out, before: " + self._line(kept))
        return kept

    def _measured(self) -> HeldOut:
        losses = measure_answers(self.model, self.lessons, self.split.report, self.config.batch)
        cases = [self.cohort.cases[row] for row in self.split.report[self.described]]
        said = describe(self.model, self.conversation, cases, self.config.generation, self.config.batch)
        return HeldOut(losses, tuple(said))

    def _line(self, one: HeldOut) -> str:
        told = self._comparison().told(one, one)["before"]
        return ", ".join(f"{name} {told[name]['value']:.3f}" for name in ("loss", "token_f1", "rouge_l")) + (
            f", faulty texts {told['faulty_share']:.3f}"
        )

    def _comparison(self) -> Comparison:
        cases = [self.cohort.cases[row] for row in self.split.report]
        truths = [cases[place].description for place in self.described]
        patients = [case.patient for case in cases]
        return Comparison(truths, patients, self.described, ClassWords(self.config.classes), self.config.seed)

    def _weights(self) -> dict[str, float]:
        """Write what is to be kept, read it back, and compare; the trained model leaves memory."""
        rows = self.split.report[:_PROBED].tolist()
        inputs, _ = collated([self.lessons.exchange(row) for row in rows], self.conversation.padding_id)
        keeper = Keeper(
            self.config, self.base, self.folder, self.dtype, self.device, end_tokens(self.model, self.conversation)
        )
        probe = probe_of(self.model, inputs)
        with tempfile.TemporaryDirectory(prefix=".adapter-", dir=self.folder) as name:
            adapter = Path(name) / ADAPTER_FOLDER
            save_adapter(self.model, adapter)
            self._let_go()
            read_back = keeper.keep(adapter, probe)
        self.log("read back: " + ", ".join(f"{what} differs by {far:.1e}" for what, far in read_back.items()))
        return read_back

    def _let_go(self) -> None:
        """Two large models do not fit into one card."""
        self._stack.close()
        self.lessons = Lessons(self.cohort.cases, self.conversation)
        del self.model
        let_go()

    def _figures(
        self,
        before: HeldOut,
        after: HeldOut,
        training: Mapping[str, Any],
        learned: Learned,
        read_back: Mapping[str, float],
    ) -> None:
        metrics = {
            "version": __version__,
            "base": {"name": self.base.name, "sha256": self.base.sha256, "licence": self.base.licence},
            "table_sha256": self.cohort.table_sha256,
            "split": self.split.name,
            "parts": {name: self._part(getattr(self.split, name)) for name in ("train", "selection", "report")},
            "texts": len(self.described),
            "training": dict(training),
            **self._comparison().told(before, after),
            "read_back": dict(read_back),
        }
        (self.folder / METRICS_FILE).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
        write_table(self.folder / STEPS_FILE, [one.row() for one in learned.steps])
        write_table(self.folder / EPOCHS_FILE, [vars(one) for one in learned.epochs])
        shown = [self.cohort.cases[self.split.report[place]] for place in self.described[: self.config.samples]]
        texts = zip(shown, before.texts, after.texts, strict=False)
        samples = [Sample(case.file_name, case.description, old.text, new.text) for case, old, new in texts]
        write_samples(self.folder, samples)
        parts = [self.folder / name for name in (ADAPTER_FOLDER, MERGED_FOLDER) if name in self._kept()]
        Card(self.config, self.base, metrics, self.conversation.image_px).write(self.folder, *parts)
        base, px = self.base, self.conversation.image_px
        for part in parts:
            DescribingFacts(
                base=base.name,
                base_sha256=base.sha256,
                licence=base.licence,
                prompt=self.config.prompt,
                image_px=px,
                generation=self.config.generation,
                end_token=self.conversation.end_id,
            ).write(part)

    def _kept(self) -> tuple[str, ...]:
        both = {"adapter": ADAPTER_FOLDER, "merged": MERGED_FOLDER}
        return tuple(both.values()) if self.config.keep == "both" else (both[self.config.keep],)

    def _part(self, rows: Rows) -> dict[str, int]:
        return {"images": len(rows), "patients": len({self.cohort.cases[row].patient for row in rows})}
