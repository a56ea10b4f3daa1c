"""From a configuration to a bundle: the steps of `mmlnb train` at slide level in their order."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_mmlnb.bundles.bundle import Bundle, TrainedParts, read_trained, shape_of, write_bundle
from napari_mmlnb.bundles.describer_files import copy_describer
from napari_mmlnb.bundles.encoder_weights import load_encoder
from napari_mmlnb.bundles.selftest import run_selftest, write_selftest
from napari_mmlnb.bundles.spec import (
    DESCRIBER_FOLDER,
    SELFTEST_FILE,
    BundleSpec,
    DescribingSpec,
    EncoderSpec,
    SystemSpec,
)
from napari_mmlnb.bundles.tokenizer import TextTokenizer, train_tokenizer
from napari_mmlnb.describe.base import Describer
from napari_mmlnb.errors import OutputError, RequestError
from napari_mmlnb.inference.code_version import code_digest
from napari_mmlnb.inference.device import choose_device
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.models.familiarity import Familiarity
from napari_mmlnb.models.mmlnb import Mmlnb
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.training.slide_level.bags import Optics, SlideBag, encode_cohort
from napari_mmlnb.training.slide_level.calibration_stage import calibrate_parts
from napari_mmlnb.training.slide_level.card import Measured, write_card
from napari_mmlnb.training.slide_level.cohort import Cohort
from napari_mmlnb.training.slide_level.config import PhantomCohortConfig, TrainConfig, read_config
from napari_mmlnb.training.slide_level.course import Course, Learned, Told
from napari_mmlnb.training.slide_level.describer_choice import training_describer
from napari_mmlnb.training.slide_level.familiarity import fit_familiarity
from napari_mmlnb.training.slide_level.loop import attention_of, set_feature_statistics, warm_up
from napari_mmlnb.training.slide_level.phantom_cohort import make_phantoms
from napari_mmlnb.training.slide_level.report import report_slides
from napari_mmlnb.training.slide_level.table import read_cohort
from napari_mmlnb.training.slide_level.texts import Candidates, describe_cohort, slide_text
from napari_mmlnb.training.slide_level.work import course_digest, work_folder
from napari_mmlnb.training.splits import SLIDE_PARTS, SlidePart

WARM_UP_EPOCHS = 30
SELFTEST_TILES = 4
RUN_SUFFIX = ".run"
EPOCHS_FILE = "epochs.csv"
Log = Callable[[str], None]
Bags = dict[SlidePart, tuple[SlideBag, ...]]


def train_from_config(config: Path, out: Path, *, log: Log) -> Path:
    """Train a bundle.

    Intermediate work (phantoms, features, a describing model's words) is kept in ``out/work``, in a folder named by the
    digest of what made it, so that a stopped training goes on where it was; it can be deleted afterwards.

    Parameters
    ----------
    config : Path
        A YAML file that fits `TrainConfig`.
    out : Path
        Folder; the bundle is written into ``out/NAME``; what belongs to the run alone (epochs, TensorBoard, predictions
        with the names of slides and patients, checkpoint) into ``out/NAME.run``.
    log : callable
        Told a line at a time; the same lines end up in the bundle's `train.log`.

    Returns
    -------
    Path
        The bundle's folder.

    Raises
    ------
    RequestError
        If the configuration or its table is wrong, or the cohort leaves nothing to learn from.
    DescriberError
        If the describing model that the class is to rest on cannot be used.
    OutputError
        If `out` cannot be written.
    """
    settings = read_config(config)
    folder = _made(out, settings.name)
    lines: list[str] = []
    bundle = _Training(settings, config.parent, out, folder, _kept(lines, log)).bundle()
    run_selftest(bundle, torch.device("cpu"))
    shutil.copyfile(config, folder / "train.yaml")
    (folder / "train.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def calibrate_again(config: Path, bundle: Path, out: Path, *, log: Log) -> Path:
    """Calibrate a trained bundle anew; its weights stay as they are.

    Parameters
    ----------
    config : Path
        The configuration that it was trained with, whose slides are made again.
    bundle : Path
        Its folder; calibration and statistics may be missing there, or of an older version.
    out : Path
        Folder; the bundle is written into ``out/NAME``.
    log : callable
        Told a line at a time; the same lines end up in the bundle's `calibrate.log`.

    Returns
    -------
    Path
        The new bundle's folder.

    Raises
    ------
    RequestError
        If the configuration is wrong, or not the one that the bundle was trained with.
    BundleError
        If the bundle's trained parts cannot be used.
    OutputError
        If `out` cannot be written.
    """
    settings = read_config(config)
    trained = read_trained(bundle)
    if (settings.name, settings.encoder) != (trained.spec.name, trained.spec.encoder.name):
        raise RequestError(
            f"The configuration {config} is for {settings.name}, the bundle is {trained.spec.name}.",
            "Give the configuration that the bundle was trained with (train.yaml in its folder).",
        )
    folder = _made(out, settings.name)
    lines: list[str] = []
    again = _Training(settings, config.parent, out, folder, _kept(lines, log)).calibrated_again(trained)
    run_selftest(again, torch.device("cpu"))
    (folder / "calibrate.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _made(out: Path, name: str) -> Path:
    try:
        for folder in (name, f"{name}{RUN_SUFFIX}"):
            (out / folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(out, error.strerror or "it cannot be made") from error
    return out / name


def _kept(lines: list[str], log: Log) -> Log:
    """A log that also keeps what it is told."""

    def both(line: str) -> None:
        lines.append(line)
        log(line)

    return both


class _Training:
    """One training: what its steps hand to one another."""

    def __init__(self, config: TrainConfig, base: Path, out: Path, folder: Path, log: Log) -> None:
        self.config = config
        self.base = base
        self.folder = folder
        self.run = out / f"{config.name}{RUN_SUFFIX}"
        self.log = log
        self.device = choose_device(config.device).device
        self.encoder: PatchEncoder = load_encoder(config.encoder)
        self.optics = Optics(
            tile_px=self.encoder.facts.input_px, um_per_px=config.um_per_px, tissue_um_per_px=8.0, min_tissue=0.5
        )
        self.work = work_folder(config, out, self.optics, self.encoder.facts.sha256)
        self.describer: Describer = training_describer(config, base, self.work)
        torch.manual_seed(config.seed)

    def bundle(self) -> Bundle:
        """Run all steps."""
        config = self.config
        cohort, bags = self._bags()
        train, selection = bags["train"], bags["selection"]
        candidates = self._describe(train, selection)
        tokenizer = self._learn_words(candidates[: len(train)])
        model = Mmlnb(shape_of(self._system(tokenizer.vocabulary), len(config.classes)))
        set_feature_statistics(model, train)

        learned = Course(
            config,
            model.to(self.device),
            Told(train, lambda attention: self._ids(train, candidates[: len(train)], attention, tokenizer)),
            Told(selection, lambda attention: self._ids(selection, candidates[len(train) :], attention, tokenizer)),
            self.run,
            course_digest(config, cohort, (*train, *selection)),
            self.log,
        ).run()
        self._write_epochs(learned)
        sample = self.describer.summarise(candidates[0].said[: config.evidence.tiles]).text
        return self._conclude(model.cpu(), cohort, bags, learned, tokenizer, sample)

    def calibrated_again(self, trained: TrainedParts) -> Bundle:
        """The last step alone, on what another training made."""
        cohort, bags = self._bags()
        if trained.folder.resolve() != self.folder.resolve():
            for name in (SELFTEST_FILE, "train.yaml", "train.log"):
                if (trained.folder / name).is_file():
                    shutil.copyfile(trained.folder / name, self.folder / name)
            if trained.spec.describing is not None:
                shutil.copytree(trained.folder / DESCRIBER_FOLDER, self.folder / DESCRIBER_FOLDER, dirs_exist_ok=True)
        return self._calibrated(replace(trained, folder=self.folder), cohort, bags, None)

    def _bags(self) -> tuple[Cohort, Bags]:
        """The slides with their features, by part."""
        config = self.config
        if isinstance(config.cohort, PhantomCohortConfig):
            cohort = make_phantoms(config.cohort, config.class_ids, self.work / "slides", self.log)
        else:
            cohort = read_cohort(config.cohort, config.class_ids, self.base, config.seed, self.log)
        features = self.work / f"features-{code_digest()[:16]}"
        encoded = encode_cohort(cohort.slides, self.encoder, self.optics, features, self.device, self.log)
        bags: Bags = {part: tuple(bag for bag in encoded if bag.slide.part == part) for part in SLIDE_PARTS}
        if len({bag.slide.label for bag in bags["train"]}) < len(config.classes) or not bags["calibration"]:
            raise RequestError("The cohort leaves too few slides with tissue.", "Ask for more slides of each class.")
        return cohort, bags

    def _describe(self, train: tuple[SlideBag, ...], selection: tuple[SlideBag, ...]) -> tuple[Candidates, ...]:
        """Warm up on the training slides, then have the most attended tiles of both described."""
        config = self.config
        scout = Mmlnb(shape_of(self._system(vocabulary=2), len(config.classes)))
        set_feature_statistics(scout, train)
        warm_up(scout.to(self.device), train, config.optimiser, WARM_UP_EPOCHS, config.seed)
        bags = (*train, *selection)
        attention = attention_of(scout, bags)
        return describe_cohort(bags, attention, self.describer, self.optics, config.evidence, self.log)

    def _learn_words(self, candidates: tuple[Candidates, ...]) -> TextTokenizer:
        texts = [self.describer.summarise(c.said[:8]).text for c in candidates]
        texts += [" ".join(said.sentences) for c in candidates for said in c.said]
        tokenizer = train_tokenizer(texts, self.config.model.vocabulary, self.config.model.max_tokens)
        self.log(f"learnt a vocabulary of {tokenizer.vocabulary} tokens")
        return tokenizer

    def _ids(
        self,
        bags: tuple[SlideBag, ...],
        candidates: tuple[Candidates, ...],
        attention: list[npt.NDArray[np.float32]],
        tokenizer: TextTokenizer,
    ) -> Tensor:
        texts = [
            slide_text(c, weights, bag.cells, self.describer, self.config.evidence)
            for bag, c, weights in zip(bags, candidates, attention, strict=True)
        ]
        return torch.from_numpy(tokenizer.encode(texts))

    def _write_epochs(self, learned: Learned) -> None:
        rows = [record.row() for record in learned.records]
        with (self.run / EPOCHS_FILE).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def _conclude(
        self,
        model: Mmlnb,
        cohort: Cohort,
        bags: Bags,
        learned: Learned,
        tokenizer: TextTokenizer,
        sample: str,
    ) -> Bundle:
        """Calibrate on the held slides and write the bundle."""
        familiarity = Familiarity(self.encoder.dimension).eval()
        fit_familiarity(familiarity, bags["train"], self.config.seed)
        describing = self.config.describing
        if describing is not None:
            copy_describer(self.config.name, self.folder, self.base / describing.model)
        spec = self._spec(tokenizer.vocabulary)
        parts = TrainedParts(self.folder, spec, model.eval(), familiarity, tokenizer, self.encoder)
        write_selftest(parts, self._selftest_pixels(bags["calibration"][0]), sample)
        return self._calibrated(parts, cohort, bags, learned)

    def _calibrated(self, parts: TrainedParts, cohort: Cohort, bags: Bags, learned: Learned | None) -> Bundle:
        config, train, held = self.config, bags["train"], bags["calibration"]
        found = calibrate_parts(parts, train, held, self.describer, self.optics, config.coverage, config.seed, self.log)
        bundle = write_bundle(parts.with_calibration(found.calibration, found.slides))
        report = None
        if bags["report"]:
            told = (self.describer, self.optics, self.run, config.seed, self.log)
            report = report_slides(bundle, bags["report"], *told)
        self.describer.close()
        counts = {part: len(of_part) for part, of_part in bags.items()}
        write_card(bundle, config, cohort, Measured(counts, found.logits, report, learned.kept if learned else None))
        return bundle

    def _selftest_pixels(self, bag: SlideBag) -> Tensor:
        with open_slide(bag.slide.path, mpp=bag.slide.mpp) as slide:
            tiles = self.optics.tiles(slide)
            order = np.linspace(0, len(tiles) - 1, SELFTEST_TILES).astype(np.int64)
            reader = TileReader(slide, tiles, order=order, batch=SELFTEST_TILES, threads=1)
            try:
                return torch.from_numpy(next(iter(reader)).pixels)
            finally:
                reader.close()

    def _system(self, vocabulary: int) -> SystemSpec:
        sizes = self.config.model
        return SystemSpec(
            name="mmlnb",
            features=self.encoder.dimension,
            image=sizes.image,
            text=sizes.text,
            text_layers=sizes.text_layers,
            max_tokens=sizes.max_tokens,
            vocabulary=vocabulary,
        )

    def _spec(self, vocabulary: int) -> BundleSpec:
        config, facts = self.config, self.encoder.facts
        return BundleSpec(
            schema_=1,
            name=config.name,
            version=config.version,
            summary=config.summary,
            notice=config.notice,
            task=config.task,
            licence=config.licence,
            classes=config.classes,
            system=self._system(vocabulary),
            encoder=EncoderSpec(
                name=facts.name,
                source=facts.source,
                revision=facts.sha256,
                input_px=facts.input_px,
                um_per_px=config.um_per_px,
                mean=facts.mean,
                std=facts.std,
                strides=facts.strides,
                precision="float32",
                licence=facts.licence,
                gated=facts.gated,
            ),
            describer=config.describer,
            describing=self._describing(),
            min_tissue=self.optics.min_tissue,
            tissue_um_per_px=self.optics.tissue_um_per_px,
            evidence=config.evidence,
            limits=config.limits,
            files={},
        )

    def _describing(self) -> DescribingSpec | None:
        own = self.config.describing
        if own is None:
            return None
        return DescribingSpec(
            name=own.name, licence=own.licence, prompt=own.prompt, generation=own.generation, files={}
        )
