"""From a configuration to a bundle: the steps of `mmlnb train` in their order."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_mmlnb import __version__
from napari_mmlnb.bundles.bundle import Bundle, TrainedParts, read_trained, shape_of, write_bundle
from napari_mmlnb.bundles.encoder_weights import load_encoder
from napari_mmlnb.bundles.selftest import run_selftest, write_selftest
from napari_mmlnb.bundles.spec import DESCRIBER_FOLDER, SELFTEST_FILE, BundleSpec, EncoderSpec, SystemSpec
from napari_mmlnb.bundles.tokenizer import TextTokenizer, train_tokenizer
from napari_mmlnb.describe.base import Describer
from napari_mmlnb.describe.registry import create_describer
from napari_mmlnb.errors import OutputError, RequestError
from napari_mmlnb.inference.code_version import code_digest
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.models.familiarity import Familiarity
from napari_mmlnb.models.mmlnb import Mmlnb
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.training.bags import Optics, SlideBag, encode_cohort
from napari_mmlnb.training.calibration_stage import calibrate_parts
from napari_mmlnb.training.card import write_card
from napari_mmlnb.training.cohort import make_cohort
from napari_mmlnb.training.config import TrainConfig, read_config
from napari_mmlnb.training.familiarity import fit_familiarity
from napari_mmlnb.training.loop import attention_of, set_feature_statistics, train_mmlnb, warm_up
from napari_mmlnb.training.texts import Candidates, describe_cohort, slide_text

WARM_UP_EPOCHS = 30
SELFTEST_TILES = 4
Log = Callable[[str], None]


def train_from_config(config: Path, out: Path, *, log: Log) -> Path:
    """Train a bundle.

    Intermediate work (phantoms, features) is kept in a folder named by the digest of what made it, so that a stopped
    training goes on where it was; it can be deleted afterwards.

    Parameters
    ----------
    config : Path
        A YAML file that fits `TrainConfig`.
    out : Path
        Folder; the bundle is written into ``out/NAME``.
    log : callable
        Told a line at a time; the same lines end up in the bundle's `train.log`.

    Returns
    -------
    Path
        The bundle's folder.

    Raises
    ------
    RequestError
        If the configuration is wrong, or the cohort leaves nothing to learn from.
    OutputError
        If `out` cannot be written.
    """
    settings = read_config(config)
    folder = _made(out, settings.name)
    lines: list[str] = []
    bundle = _Training(settings, out, folder, _kept(lines, log)).bundle()
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
    again = _Training(settings, out, folder, _kept(lines, log)).calibrated_again(trained)
    run_selftest(again, torch.device("cpu"))
    (folder / "calibrate.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _made(out: Path, name: str) -> Path:
    try:
        (out / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(out, error.strerror or "it cannot be made") from error
    return out / name


def _kept(lines: list[str], log: Log) -> Log:
    """A log that also keeps what it is told."""

    def both(line: str) -> None:
        lines.append(line)
        log(line)

    return both


def _work_digest(config: TrainConfig, optics: Optics, encoder_sha256: str) -> str:
    """A name for intermediate work, so that what other settings or another version left is never taken for this."""
    classes = [c.id for c in config.classes]
    made_by = (__version__, config.cohort.model_dump_json(), classes, repr(optics), encoder_sha256)
    return hashlib.sha256(repr(made_by).encode()).hexdigest()[:16]


class _Training:
    """One training: what its steps hand to one another."""

    def __init__(self, config: TrainConfig, out: Path, folder: Path, log: Log) -> None:
        self.config = config
        self.folder = folder
        self.log = log
        self.encoder: PatchEncoder = load_encoder(config.encoder)
        self.describer: Describer = create_describer(config.describer)
        self.optics = Optics(
            tile_px=self.encoder.facts.input_px, um_per_px=config.um_per_px, tissue_um_per_px=8.0, min_tissue=0.5
        )
        self.work = out / "work" / _work_digest(config, self.optics, self.encoder.facts.sha256)
        torch.manual_seed(config.seed)

    def bundle(self) -> Bundle:
        """Run all steps."""
        config = self.config
        train, held = self._bags()
        candidates = self._describe(train)
        tokenizer = self._learn_words(candidates)
        model = Mmlnb(shape_of(self._system(tokenizer.vocabulary), len(config.classes)))
        set_feature_statistics(model, train)

        train_mmlnb(
            model,
            train,
            lambda attention: self._ids(train, candidates, attention, tokenizer),
            config.optimiser,
            config.curriculum,
            config.seed,
            self.log,
        )
        sample = self.describer.summarise(candidates[0].said[: config.evidence.tiles]).text
        return self._conclude(model, train, held, tokenizer, sample)

    def calibrated_again(self, trained: TrainedParts) -> Bundle:
        """The last step alone, on what another training made."""
        train, held = self._bags()
        if trained.folder.resolve() != self.folder.resolve():
            for name in (SELFTEST_FILE, "train.yaml", "train.log"):
                if (trained.folder / name).is_file():
                    shutil.copyfile(trained.folder / name, self.folder / name)
            if trained.spec.describing is not None:
                shutil.copytree(trained.folder / DESCRIBER_FOLDER, self.folder / DESCRIBER_FOLDER, dirs_exist_ok=True)
        return self._calibrated(replace(trained, folder=self.folder), train, held)

    def _bags(self) -> tuple[tuple[SlideBag, ...], tuple[SlideBag, ...]]:
        """The slides to train on, and those to calibrate on."""
        config = self.config
        slides = make_cohort(config, self.work / "slides", os.cpu_count() or 1, self.log)
        features = self.work / f"features-{code_digest()[:16]}"
        bags = encode_cohort(slides, self.encoder, self.optics, features, torch.device("cpu"), self.log)
        train = tuple(b for b in bags if b.slide.split == "train")
        held = tuple(b for b in bags if b.slide.split == "calibration")
        if len(train) < len(config.classes) or not held:
            raise RequestError("The cohort leaves too few slides with tissue.", "Ask for more slides of each class.")
        return train, held

    def _describe(self, train: tuple[SlideBag, ...]) -> tuple[Candidates, ...]:
        """Warm up on the training slides, then have their most attended tiles described."""
        config = self.config
        scout = Mmlnb(shape_of(self._system(vocabulary=2), len(config.classes)))
        set_feature_statistics(scout, train)
        warm_up(scout, train, config.optimiser, WARM_UP_EPOCHS, config.seed)
        attention = attention_of(scout, train)
        return describe_cohort(train, attention, self.describer, self.optics, config.evidence, self.log)

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

    def _conclude(
        self,
        model: Mmlnb,
        train: tuple[SlideBag, ...],
        held: tuple[SlideBag, ...],
        tokenizer: TextTokenizer,
        sample: str,
    ) -> Bundle:
        """Calibrate on the held slides and write the bundle."""
        familiarity = Familiarity(self.encoder.dimension).eval()
        fit_familiarity(familiarity, train, self.config.seed)
        spec = self._spec(tokenizer.vocabulary)
        parts = TrainedParts(self.folder, spec, model.eval(), familiarity, tokenizer, self.encoder)
        write_selftest(parts, self._selftest_pixels(held[0]), sample)
        return self._calibrated(parts, train, held)

    def _calibrated(self, parts: TrainedParts, train: tuple[SlideBag, ...], held: tuple[SlideBag, ...]) -> Bundle:
        config = self.config
        found = calibrate_parts(parts, train, held, self.describer, self.optics, config.coverage, config.seed, self.log)
        bundle = write_bundle(parts.with_calibration(found.calibration, found.slides))
        write_card(bundle, config, found.logits, len(train))
        return bundle

    def _selftest_pixels(self, bag: SlideBag) -> Tensor:
        with open_slide(bag.slide.path) as slide:
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
            min_tissue=self.optics.min_tissue,
            tissue_um_per_px=self.optics.tissue_um_per_px,
            evidence=config.evidence,
            limits=config.limits,
            files={},
        )
