"""From a configuration to a bundle: the steps of `mmlnb train` in their order."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_mmlnb import __version__
from napari_mmlnb.bundles.bundle import Bundle, shape_of, write_bundle
from napari_mmlnb.bundles.calibration import Calibration
from napari_mmlnb.bundles.encoder_weights import load_encoder
from napari_mmlnb.bundles.selftest import run_selftest, write_selftest
from napari_mmlnb.bundles.spec import BundleSpec, EncoderSpec, SystemSpec
from napari_mmlnb.bundles.tokenizer import TextTokenizer, train_tokenizer
from napari_mmlnb.describe.base import Describer
from napari_mmlnb.describe.registry import create_describer
from napari_mmlnb.errors import OutputError, RequestError
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.models.familiarity import Familiarity
from napari_mmlnb.models.mmlnb import Mmlnb
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.training.bags import Optics, SlideBag, encode_cohort
from napari_mmlnb.training.calibrate import calibrate, fit_familiarity, logits_of
from napari_mmlnb.training.card import write_card
from napari_mmlnb.training.cohort import make_cohort
from napari_mmlnb.training.config import TrainConfig, read_config
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
    folder = out / settings.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(out, error.strerror or "it cannot be made") from error
    lines: list[str] = []

    def both(line: str) -> None:
        lines.append(line)
        log(line)

    bundle = _Training(settings, out, folder, both).bundle()
    run_selftest(bundle, torch.device("cpu"))
    shutil.copyfile(config, folder / "train.yaml")
    (folder / "train.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


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
        slides = make_cohort(config, self.work / "slides", os.cpu_count() or 1, self.log)
        bags = encode_cohort(slides, self.encoder, self.optics, self.work / "features", torch.device("cpu"), self.log)
        train = tuple(b for b in bags if b.slide.split == "train")
        held = tuple(b for b in bags if b.slide.split == "calibration")
        if len(train) < len(config.classes) or not held:
            raise RequestError("The cohort leaves too few slides with tissue.", "Ask for more slides of each class.")
        candidates = self._describe(train + held)
        tokenizer = self._learn_words(candidates[: len(train)])
        model = Mmlnb(shape_of(self._system(tokenizer.vocabulary), len(config.classes)))
        set_feature_statistics(model, train)

        def text_of(bags_: tuple[SlideBag, ...], said: tuple[Candidates, ...]) -> Callable[..., Tensor]:
            return lambda attention: self._ids(bags_, said, attention, tokenizer)

        train_mmlnb(
            model,
            train,
            text_of(train, candidates[: len(train)]),
            config.optimiser,
            config.curriculum,
            config.seed,
            self.log,
        )
        sample = self.describer.summarise(candidates[0].said[: config.evidence.tiles]).text
        return self._conclude(model, train, held, text_of(held, candidates[len(train) :]), tokenizer, sample)

    def _describe(self, bags: tuple[SlideBag, ...]) -> tuple[Candidates, ...]:
        """Warm up on the training slides, then have the most attended tiles of all slides described."""
        config = self.config
        train = tuple(b for b in bags if b.slide.split == "train")
        scout = Mmlnb(shape_of(self._system(vocabulary=2), len(config.classes)))
        set_feature_statistics(scout, train)
        warm_up(scout, train, config.optimiser, WARM_UP_EPOCHS, config.seed)
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

    def _conclude(
        self,
        model: Mmlnb,
        train: tuple[SlideBag, ...],
        held: tuple[SlideBag, ...],
        text_of: Callable[..., Tensor],
        tokenizer: TextTokenizer,
        sample: str,
    ) -> Bundle:
        """Calibrate on the held slides and write the bundle."""
        config = self.config
        familiarity = Familiarity(self.encoder.dimension).eval()
        fit_familiarity(familiarity, train, config.seed)
        attention = attention_of(model, held)
        logits = logits_of(model, held, text_of(attention))
        shifts = [float(familiarity(torch.from_numpy(bag.features)).median()) for bag in held]
        calibration = calibrate(logits, attention, shifts, config.coverage)
        self._log_calibration(calibration, shifts)
        bundle = Bundle(
            self.folder,
            self._spec(tokenizer.vocabulary),
            calibration,
            model,
            familiarity,
            tokenizer,
            self.encoder,
        )
        write_selftest(bundle, self._selftest_pixels(held[0]), sample)
        bundle = write_bundle(bundle)
        write_card(bundle, config, logits, len(train))
        return bundle

    def _log_calibration(self, calibration: Calibration, shifts: list[float]) -> None:
        self.log("temperatures " + ", ".join(f"{b} {t:.2f}" for b, t in calibration.temperature.items()))
        self.log(
            f"shift of calibration slides {min(shifts):.2f} to {max(shifts):.2f}, limit {calibration.shift_limit:.2f}"
        )
        self.log(f"attention scale 0 to {calibration.attention_high:.2f} times the mean")

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
