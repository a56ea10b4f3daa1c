"""From a configuration to a bundle: the steps of `mmlnb train` at slide level in their order."""

from __future__ import annotations

import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_mmlnb import __version__
from napari_mmlnb.bundles.bundle import Bundle, TrainedParts, read_trained, shape_of, write_bundle
from napari_mmlnb.bundles.describer_files import copy_describer
from napari_mmlnb.bundles.encoder_weights import load_encoder
from napari_mmlnb.bundles.selftest import run_selftest, write_selftest
from napari_mmlnb.bundles.spec import DESCRIBER_FOLDER, SELFTEST_FILE, SPEC_FILE, WEIGHTS_FILE
from napari_mmlnb.bundles.tokenizer import TextTokenizer, train_tokenizer
from napari_mmlnb.describe.base import Describer
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import MissingExtraError, RequestError
from napari_mmlnb.inference.device import choose_device
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.models.familiarity import Familiarity
from napari_mmlnb.models.mmlnb import Mmlnb
from napari_mmlnb.training.csv_table import write_table
from napari_mmlnb.training.log_file import LOG_FILE, Log, written_to
from napari_mmlnb.training.run_folder import claim
from napari_mmlnb.training.slide_level.bags import Optics, SlideBag, encode_cohort
from napari_mmlnb.training.slide_level.calibration_stage import calibrate_parts
from napari_mmlnb.training.slide_level.card import Measured, write_card
from napari_mmlnb.training.slide_level.cohort import Cohort
from napari_mmlnb.training.slide_level.config import (
    RUN_SUFFIX,
    OwnDescriberConfig,
    PhantomCohortConfig,
    SlideCohortConfig,
    TrainConfig,
    read_config,
)
from napari_mmlnb.training.slide_level.course import Course, Learned, Told
from napari_mmlnb.training.slide_level.describer_choice import own_describing, training_describer
from napari_mmlnb.training.slide_level.familiarity import fit_familiarity
from napari_mmlnb.training.slide_level.loop import attention_of, set_feature_statistics, warm_up
from napari_mmlnb.training.slide_level.phantom_cohort import make_phantoms
from napari_mmlnb.training.slide_level.report import SCORES_FILE, report_slides
from napari_mmlnb.training.slide_level.selftest_tiles import selftest_tiles
from napari_mmlnb.training.slide_level.shared_config import SHARED_FILE, write_shared
from napari_mmlnb.training.slide_level.spec import draft_spec, system_spec
from napari_mmlnb.training.slide_level.table import read_cohort
from napari_mmlnb.training.slide_level.texts import Candidates, describe_cohort, slide_text
from napari_mmlnb.training.slide_level.work import course_digest, features_folder, work_folder
from napari_mmlnb.training.splits import SLIDE_PARTS, SlidePart
from napari_mmlnb.training.state_file import CHECKPOINT_FILE

WARM_UP_EPOCHS = 30
SELFTEST_TILES = 4
BLIND_LIMIT = 100.0
"""Of a slide's distance from the training: with a wider one, learned from few slides, nothing is foreign any more."""
BLIND = "It may not notice foreign slides: too few were learned from."
EPOCHS_FILE = "epochs.csv"
_NOT_LEARNING: dict[str, Any] = {
    "name": True,
    "device": True,
    "checkpoint_epochs": True,
    "cohort": {"table"},
    "describing": {"model"},
}
"""Of a configuration: what may be changed between the halves of a training. Data count by their content."""
Bags = dict[SlidePart, tuple[SlideBag, ...]]


def train_from_config(config: Path, out: Path, *, log: Log, replace: bool = False) -> Path:
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
    replace : bool
        Move what another training left there aside, instead of refusing.

    Returns
    -------
    Path
        The bundle's folder.

    Raises
    ------
    RequestError
        If the configuration or its table is wrong, the cohort leaves nothing to learn from, or another training is
        there.
    DescriberError
        If the describing model that the class is to rest on cannot be used.
    OutputError
        If `out` cannot be written.
    """
    settings = read_config(config)
    folder, run = _claimed(settings, config.parent, out, replace=replace)
    bundle = _Training(settings, config.parent, out, folder, written_to(run / LOG_FILE, log)).bundle()
    run_selftest(bundle, torch.device("cpu"))
    write_shared(config, folder / SHARED_FILE)
    shutil.copyfile(run / LOG_FILE, folder / LOG_FILE)
    return folder


def calibrate_again(config: Path, bundle: Path, out: Path, *, log: Log, replace: bool = False) -> Path:
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
    replace : bool
        Move another bundle of that name aside, instead of refusing.

    Returns
    -------
    Path
        The new bundle's folder.

    Raises
    ------
    RequestError
        If the configuration is wrong, or not the one that the bundle was trained with; or its slides are not in the
        parts that they were in then.
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
            "Give the configuration that the bundle was trained with.",
        )
    if settings.describer != trained.spec.describer:
        raise RequestError(
            f"The texts of {trained.spec.name} were written by {trained.spec.describer}, not by {settings.describer}.",
            "Give the configuration that the bundle was trained with.",
        )
    folder, _ = _claimed(settings, config.parent, out, replace=replace, again=trained)
    lines: list[str] = []
    again = _Training(settings, config.parent, out, folder, _kept(lines, log), trained).calibrated_again(trained)
    run_selftest(again, torch.device("cpu"))
    (folder / "calibrate.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _claimed(
    settings: TrainConfig, base: Path, out: Path, *, replace: bool, again: TrainedParts | None = None
) -> tuple[Path, Path]:
    """Make the folders of bundle and run, or come back to them; `again` is a bundle whose limits are learned anew."""
    bundle, run = out / settings.name, out / f"{settings.name}{RUN_SUFFIX}"
    if again is not None and again.folder.resolve() == bundle.resolve():
        run.mkdir(exist_ok=True)
        return bundle, run
    learning = settings.model_dump(mode="json", exclude=_NOT_LEARNING)
    made_of: dict[str, Any] = {"version": __version__, "configuration": learning}
    if isinstance(settings.cohort, SlideCohortConfig) and (base / settings.cohort.table).is_file():
        made_of["table"] = file_sha256(base / settings.cohort.table)
    if again is not None:
        made_of["weights"] = again.spec.files[WEIGHTS_FILE]
    claim((run, bundle), made_of, precious=(SPEC_FILE, CHECKPOINT_FILE), replace=replace)
    return bundle, run


def _kept(lines: list[str], log: Log) -> Log:
    """A log that also keeps what it is told."""

    def both(line: str) -> None:
        lines.append(line)
        log(line)

    return both


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _check_extras() -> None:
    """What the last steps need is asked for first."""
    for module, package in (("crepes", "crepes"), ("sklearn", "scikit-learn")):
        if find_spec(module) is None:
            raise MissingExtraError(package, "train")


def _own_of(trained: TrainedParts) -> OwnDescriberConfig | None:
    own = trained.spec.describing
    if own is None:
        return None
    folder = Path(DESCRIBER_FOLDER)
    return OwnDescriberConfig(
        model=folder, name=own.name, licence=own.licence, prompt=own.prompt, generation=own.generation
    )


class _Training:
    """One training: what its steps hand to one another."""

    def __init__(
        self, config: TrainConfig, base: Path, out: Path, folder: Path, log: Log, trained: TrainedParts | None = None
    ) -> None:
        _check_extras()
        self.config = config
        self.base = base
        self.folder = folder
        self.run = out / f"{config.name}{RUN_SUFFIX}"
        self.log = log
        chosen = choose_device(config.device)
        self.device = chosen.device
        log(f"computing on {self.device.type}: {chosen.warning or chosen.reason}")
        self.encoder: PatchEncoder = load_encoder(config.encoder)
        self.optics = Optics(
            tile_px=self.encoder.facts.input_px, um_per_px=config.um_per_px, tissue_um_per_px=8.0, min_tissue=0.5
        )
        self.work = work_folder(config, out, self.optics, self.encoder.facts.sha256)
        own, own_base = config.describing, base
        if trained is not None and config.describing is not None:
            own, own_base = _own_of(trained), trained.folder  # what the bundle speaks with, wherever that came from
        self.describer: Describer = training_describer(config, own, own_base, self.work)
        self.describing = None if own is None else own_describing(own, own_base)
        torch.manual_seed(config.seed)

    def bundle(self) -> Bundle:
        """Run all steps."""
        config = self.config
        cohort, bags = self._bags()
        train, selection = bags["train"], bags["selection"]
        candidates = self._describe(train, selection)
        tokenizer = self._learn_words(candidates[: len(train)])
        model = self._network(tokenizer.vocabulary)
        set_feature_statistics(model, train)

        learned = Course(
            config,
            model.to(self.device),
            Told(train, lambda attention: self._ids(train, candidates[: len(train)], attention, tokenizer)),
            Told(selection, lambda attention: self._ids(selection, candidates[len(train) :], attention, tokenizer)),
            self.run,
            course_digest(config, (*train, *selection), candidates, self.encoder.facts.sha256, self.device.type),
            self.log,
        ).run()
        self._write_epochs(learned)
        return self._conclude(model.cpu(), cohort, bags, learned, tokenizer)

    def calibrated_again(self, trained: TrainedParts) -> Bundle:
        """The last step alone, on what another training made."""
        cohort, bags = self._bags()
        if trained.spec.cohort and trained.spec.cohort != cohort.digest:
            raise RequestError(
                f"The slides are not those that {trained.spec.name} was trained with, or are in other parts: limits "
                "could be learned on slides that it knows.",
                "Give the table, the split and the seed of its training.",
            )
        if trained.folder.resolve() != self.folder.resolve():
            for name in (SELFTEST_FILE, SHARED_FILE, LOG_FILE):
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
        features = features_folder(self.work, self.device.type)
        encoded = encode_cohort(cohort.slides, self.encoder, self.optics, features, self.device, self.log)
        bags: Bags = {part: tuple(bag for bag in encoded if bag.slide.part == part) for part in SLIDE_PARTS}
        asked = {slide.part for slide in cohort.slides}
        if len({bag.slide.label for bag in bags["train"]}) < len(config.classes) or not all(bags[p] for p in asked):
            raise RequestError(
                "The cohort leaves too few slides with tissue that can be read: a class has none to learn from, or a "
                "part of the split has none.",
                "Add slides; the log tells which were left out.",
            )
        return cohort, bags

    def _describe(self, train: tuple[SlideBag, ...], selection: tuple[SlideBag, ...]) -> tuple[Candidates, ...]:
        """Warm up on the training slides, then have the most attended tiles of both described."""
        config = self.config
        scout = self._network(vocabulary=2)
        set_feature_statistics(scout, train)
        warm_up(scout.to(self.device), train, config.optimiser, WARM_UP_EPOCHS, config.seed)
        bags = (*train, *selection)
        attention = attention_of(scout, bags)
        said = describe_cohort(bags, attention, self.describer, self.optics, config.evidence, self.log)
        self.describer.close()  # a describing model needs the memory that training does
        return said

    def _network(self, vocabulary: int) -> Mmlnb:
        shape = shape_of(system_spec(self.config, self.encoder, vocabulary), len(self.config.classes))
        return Mmlnb(replace(shape, dropout=self.config.model.dropout))

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
        write_table(self.run / EPOCHS_FILE, [record.row() for record in learned.records])

    def _conclude(
        self,
        model: Mmlnb,
        cohort: Cohort,
        bags: Bags,
        learned: Learned,
        tokenizer: TextTokenizer,
    ) -> Bundle:
        """Calibrate on the held slides and write the bundle."""
        familiarity = Familiarity(self.encoder.dimension).eval()
        fit_familiarity(familiarity, bags["train"], self.config.seed)
        for stale in (DESCRIBER_FOLDER, SCORES_FILE):  # of an earlier training into the same folder
            _remove(self.folder / stale)
        if self.config.describing is not None:
            copy_describer(self.config.name, self.folder, self.base / self.config.describing.model)
        spec = draft_spec(self.config, self.encoder, self.optics, tokenizer.vocabulary, cohort.digest, self.describing)
        parts = TrainedParts(self.folder, spec, model.eval(), familiarity, tokenizer, self.encoder)
        tiles = selftest_tiles(cohort, self.optics, self.work, SELFTEST_TILES)
        said = [one for one in self.describer.describe(tiles) if one.complete and one.sentences]
        text = self.describer.summarise(said).text if said else ""
        write_selftest(parts, torch.from_numpy(np.stack([tile.rgb for tile in tiles])), text)
        return self._calibrated(parts, cohort, bags, learned)

    def _calibrated(self, parts: TrainedParts, cohort: Cohort, bags: Bags, learned: Learned | None) -> Bundle:
        config, train, held = self.config, bags["train"], bags["calibration"]
        found = calibrate_parts(parts, train, held, self.describer, self.optics, config.coverage, config.seed, self.log)
        widest = max(limit for _, limit in found.calibration.familiarity.slide)
        if widest > BLIND_LIMIT and BLIND not in parts.spec.notice:
            self.log(f"{BLIND} (limit {widest:.0f}; usual distances are about 1)")
            parts = replace(parts, spec=parts.spec.model_copy(update={"notice": f"{parts.spec.notice} {BLIND}"}))
        bundle = write_bundle(parts.with_calibration(found.calibration, found.slides))
        report = None
        if bags["report"]:
            told = (self.describer, self.optics, self.run, config.seed, self.log)
            report = report_slides(bundle, bags["report"], *told)
        self.describer.close()
        counts = {part: len(of_part) for part, of_part in bags.items()}
        write_card(bundle, config, cohort, Measured(counts, found.logits, report, learned.kept if learned else None))
        return bundle
