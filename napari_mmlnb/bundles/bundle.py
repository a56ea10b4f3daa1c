"""A bundle in memory: a trained model with all that it needs to answer and to doubt itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from napari_mmlnb.bundles.calibration import LEARN_AGAIN, Calibration, read_calibration
from napari_mmlnb.bundles.describer_files import check_describer, describer_digests
from napari_mmlnb.bundles.encoder_weights import shared_encoder
from napari_mmlnb.bundles.selftest_file import check_selftest_file
from napari_mmlnb.bundles.spec import (
    CALIBRATED,
    CALIBRATION_FILE,
    DIGESTED,
    STATISTICS_FILE,
    TRAINED,
    WEIGHTS_FILE,
    BundleSpec,
    SystemSpec,
    read_spec,
    write_spec,
)
from napari_mmlnb.bundles.statistics import check_finite, read_statistics, write_statistics
from napari_mmlnb.bundles.tokenizer import TextTokenizer, read_tokenizer
from napari_mmlnb.bundles.weights_file import write_weights
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import BundleError
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.models.familiarity import Familiarity, SlideFamiliarity
from napari_mmlnb.models.mmlnb import Mmlnb, MmlnbShape
from napari_mmlnb.models.systems import SYSTEMS


@dataclass(frozen=True)
class TrainedParts:
    """What training makes. Modules are on the CPU, in evaluation mode.

    Parameters
    ----------
    folder : Path
        Where the bundle lies, or will.
    spec : BundleSpec
        What `bundle.yaml` says.
    system : Mmlnb
        The trained network from tile features to logits.
    familiarity : Familiarity
        How far a tile lies from the training tiles.
    tokenizer : TextTokenizer
        Of the text branch.
    encoder : PatchEncoder
        From pixels to tile features.
    """

    folder: Path
    spec: BundleSpec
    system: Mmlnb
    familiarity: Familiarity
    tokenizer: TextTokenizer
    encoder: PatchEncoder

    def with_calibration(self, calibration: Calibration, slides: SlideFamiliarity) -> Bundle:
        """The bundle that these parts make with what calibration found."""
        return Bundle(
            folder=self.folder,
            spec=self.spec,
            system=self.system,
            familiarity=self.familiarity,
            tokenizer=self.tokenizer,
            encoder=self.encoder,
            calibration=calibration,
            slide_familiarity=slides,
        )


@dataclass(frozen=True)
class Bundle(TrainedParts):
    """A loaded bundle: what training made, and what calibration found out about it.

    Parameters
    ----------
    calibration : Calibration
        What `calibration.json` says.
    slide_familiarity : SlideFamiliarity
        How far a slide as a whole lies from the training slides.
    """

    calibration: Calibration
    slide_familiarity: SlideFamiliarity

    @property
    def weights_sha256(self) -> str:
        """Digest of the weights, as the spec pins it and loading has checked it."""
        return self.spec.files[WEIGHTS_FILE]


def shape_of(system: SystemSpec, classes: int) -> MmlnbShape:
    """Sizes of the network that a spec asks for."""
    return MmlnbShape(
        features=system.features,
        classes=classes,
        vocabulary=system.vocabulary,
        image=system.image,
        text=system.text,
        text_layers=system.text_layers,
        max_tokens=system.max_tokens,
    )


def _check_files(folder: Path, spec: BundleSpec, names: Iterable[str]) -> None:
    for name in names:
        path = folder / name
        if not path.is_file():
            remedy = LEARN_AGAIN if name == STATISTICS_FILE else "Fetch it again."
            raise BundleError(spec.name, f"The bundle {spec.name} is incomplete: {name} is missing.", remedy)
        if file_sha256(path) != spec.files.get(name):
            raise BundleError(
                spec.name,
                f"The bundle {spec.name} was altered: {name} is not the file that bundle.yaml names.",
                "Fetch it again.",
            )


def _load_weights(folder: Path, spec: BundleSpec, modules: dict[str, nn.Module]) -> None:
    try:
        tensors: dict[str, Tensor] = load_file(folder / WEIGHTS_FILE)
        for prefix, module in modules.items():
            start = f"{prefix}."
            part = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
            module.load_state_dict(part, strict=True)
    except (SafetensorError, RuntimeError) as error:
        why = str(error).splitlines()[0]
        raise BundleError(spec.name, f"The weights of {spec.name} do not fit its bundle.yaml: {why}.") from error


def _check_encoder(spec: BundleSpec, encoder: PatchEncoder) -> None:
    facts, asked = encoder.facts, spec.encoder
    same = (
        facts.sha256 == asked.revision
        and facts.mean == asked.mean
        and facts.std == asked.std
        and facts.strides == asked.strides
        and encoder.dimension == spec.system.features
    )
    if not same:
        raise BundleError(
            spec.name,
            f"The bundle {spec.name} was trained on another {asked.name} than this program has.",
            "Use the version of this program that the bundle was made with, or train it again.",
        )


def read_trained(folder: Path) -> TrainedParts:
    """Load what training made, without what calibration adds: for a bundle that is to be calibrated again.

    Raises
    ------
    BundleError
        If a file of the training is missing, altered, or does not fit.
    UnknownNameError
        If it asks for a system or an encoder that this program does not have.
    """
    spec = read_spec(folder)
    system = SYSTEMS.get(spec.system.name).build(shape_of(spec.system, len(spec.classes)))
    _check_files(folder, spec, TRAINED)
    check_describer(folder, spec)
    check_selftest_file(folder, spec.name)
    familiarity = Familiarity(spec.system.features)
    _load_weights(folder, spec, {"system": system, "familiarity": familiarity})
    check_finite(folder, familiarity, WEIGHTS_FILE)
    encoder = shared_encoder(spec.encoder.name)
    _check_encoder(spec, encoder)
    return TrainedParts(
        folder=folder,
        spec=spec,
        system=system.eval().requires_grad_(requires_grad=False),
        familiarity=familiarity.eval(),
        tokenizer=read_tokenizer(folder, spec.system.max_tokens),
        encoder=encoder,
    )


def read_bundle(folder: Path) -> Bundle:
    """Load a bundle from its folder; every file is checked against the digests in `bundle.yaml`.

    Raises
    ------
    BundleError
        If a file is missing, altered, or does not fit.
    UnknownNameError
        If it asks for a system or an encoder that this program does not have.
    """
    trained = read_trained(folder)
    _check_files(folder, trained.spec, CALIBRATED)
    return trained.with_calibration(read_calibration(folder), read_statistics(folder, trained.spec.system.features))


def write_bundle(bundle: Bundle) -> Bundle:
    """Write a bundle into its folder, `selftest.safetensors` being there already; returns it with the true digests."""
    folder = bundle.folder
    tensors = {
        f"{prefix}.{name}": tensor
        for prefix, module in (("system", bundle.system), ("familiarity", bundle.familiarity))
        for name, tensor in module.state_dict().items()
    }
    write_weights(tensors, folder / WEIGHTS_FILE)
    (folder / CALIBRATION_FILE).write_text(bundle.calibration.model_dump_json(indent=2) + "\n", encoding="utf-8")
    write_statistics(folder, bundle.slide_familiarity)
    bundle.tokenizer.save(folder)
    files = {name: file_sha256(folder / name) for name in DIGESTED}
    describing = bundle.spec.describing
    if describing is not None:
        describing = describing.model_copy(update={"files": describer_digests(folder)})
    spec = bundle.spec.model_copy(update={"files": files, "describing": describing})
    write_spec(spec, folder)
    return replace(bundle, spec=spec)
