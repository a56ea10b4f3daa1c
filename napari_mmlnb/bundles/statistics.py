"""`statistics.safetensors`: what the training slides looked like, to tell how far another slide lies from them."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from napari_mmlnb.bundles.calibration import LEARN_AGAIN
from napari_mmlnb.bundles.spec import STATISTICS_FILE
from napari_mmlnb.bundles.weights_file import write_weights
from napari_mmlnb.errors import BundleError
from napari_mmlnb.models.familiarity import SlideFamiliarity

_PREFIX = "slides."


def write_statistics(folder: Path, slides: SlideFamiliarity) -> None:
    """Write the file into a bundle's folder."""
    tensors = {_PREFIX + name: tensor for name, tensor in slides.state_dict().items()}
    write_weights(tensors, folder / STATISTICS_FILE)


def read_statistics(folder: Path, features: int) -> SlideFamiliarity:
    """Read the file from a bundle's folder.

    Parameters
    ----------
    folder : Path
        The bundle's.
    features : int
        Length of a tile's feature vector.

    Raises
    ------
    BundleError
        If it is missing, does not fit the features, or holds values that are not finite.
    """
    path = folder / STATISTICS_FILE
    try:
        tensors = {name.removeprefix(_PREFIX): tensor for name, tensor in load_file(path).items()}
        slides = SlideFamiliarity(features, rank=len(tensors["components"]))
        slides.load_state_dict(tensors, strict=True)
    except FileNotFoundError as error:
        raise BundleError(folder.name, f"{path} is missing.", LEARN_AGAIN) from error
    except (SafetensorError, RuntimeError, KeyError, OSError) as error:
        why = str(error).splitlines()[0]
        raise BundleError(folder.name, f"{path} does not fit its bundle.yaml: {why}.", LEARN_AGAIN) from error
    check_finite(folder, slides, STATISTICS_FILE)
    return slides.eval()


def check_finite(folder: Path, module: nn.Module, file: str) -> None:
    """Refuse statistics that are not finite: every comparison with them is false, and nothing would seem strange.

    Raises
    ------
    BundleError
        Naming the first such tensor.
    """
    for name, tensor in module.state_dict().items():
        if not bool(tensor.isfinite().all()):
            raise BundleError(
                folder.name,
                f"{folder / file} holds values that are not finite ({name}): strange slides could not be told.",
                "Fetch the bundle again.",
            )
