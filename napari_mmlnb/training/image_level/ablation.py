"""Which part of the method carries it: every arm, with the same seeds on the same splits, and the claims tested.

The paper claims that two modalities are better than either alone, that the describing model's fine-tuning helps, and
that PRMF does. Whether they hold is said with an interval, whatever comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.comparison import Trial, estimates
from napari_mmlnb.training.config import read_as
from napari_mmlnb.training.image_level.ablation_result import Ablation, write_result
from napari_mmlnb.training.image_level.arms import ARMS, GATE_LAST, PRMF
from napari_mmlnb.training.image_level.claims import Contender, findings
from napari_mmlnb.training.image_level.config import AblationConfig, ImageLevelConfig, TextKind
from napari_mmlnb.training.image_level.recipe import ImageCohort, read_cohort, train_configured
from napari_mmlnb.training.image_level.table import read_cases
from napari_mmlnb.training.scores import score

Log = Callable[[str], None]


def ablate(path: Path, out: Path, *, seeds: int, log: Log, replace: bool = False) -> Ablation:
    """Train all arms and compare them.

    Parameters
    ----------
    path : Path
        A configuration at image level; its `arm`, `name` and `seed` are those of the first training only.
    out : Path
        Folder: ``runs/ARM-SEED`` each training, and `ablation.csv`, `ablation.md`, `ablation.json`, `ablation.svg`.
        What was trained there before is not trained again.
    seeds : int
        Trainings of each arm. With the split "patient" each has a split of its own, the same for all arms; the others
        are one split for all trainings.
    log : callable
        Told a line at a time.
    replace : bool
        Move trainings of another configuration aside, instead of refusing.

    Returns
    -------
    Ablation
        What came out.

    Raises
    ------
    RequestError, OutputError
        As `train_images`.
    """
    config = read_as(AblationConfig, path)
    cohorts = _cohorts(config, path.parent)
    retold = (Contender(arm, kind) for arm in (PRMF, GATE_LAST) for kind in config.texts)
    contenders = (*(Contender(arm.name) for arm in ARMS), *retold)
    trials: dict[Contender, list[Trial]] = {contender: [] for contender in contenders}
    plain = {name: value for name, value in config.model_dump().items() if name != "texts"}
    for seed in range(config.seed, config.seed + seeds):
        for one in contenders:
            named = plain | {"arm": one.arm, "seed": seed, "name": f"{one.name}-{seed}"}
            training = ImageLevelConfig.model_validate(named)
            outcome = train_configured(
                training, path.parent, cohorts[one.text], out / "runs", log=_quiet, replace=replace
            )
            trials[one].append(Trial(outcome.labels, outcome.said.fused, outcome.groups))
            log(f"seed {seed}, {one.name}: weighted F1 {score(outcome.labels, outcome.said.fused).f1:.3f}")
    arms = {one: estimates(of_one) for one, of_one in trials.items()}
    ablation = Ablation(config.split, config.classes, seeds, arms, findings(trials))
    write_result(out, ablation)
    return ablation


def _cohorts(config: AblationConfig, base: Path) -> dict[TextKind | None, ImageCohort]:
    """The images once, and their cases with each kind of descriptions.

    Raises
    ------
    RequestError
        If a table is wrong, or is not of the same images, classes and patients.
    """
    main = read_cohort(config, base)
    cohorts: dict[TextKind | None, ImageCohort] = {None: main}
    for kind, path in config.texts.items():
        cases = read_cases(base / path, base / config.data.images, config.classes, config.class_words)
        if [replace(case, description="") for case in cases] != [replace(case, description="") for case in main.cases]:
            raise RequestError(
                f"The table {path.name} is not of the same images as {config.data.table.name}.",
                "Make it from that table, with `mmlnb describe`.",
            )
        cohorts[kind] = ImageCohort(cases, main.pixels, file_sha256(base / path))
    return cohorts


def _quiet(_: str) -> None:
    """Each training writes a log of its own."""
