"""Putting the record together."""

from __future__ import annotations

import hashlib
import platform
import uuid
from datetime import UTC, datetime
from importlib.metadata import version

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.spec import SPEC_FILE
from napari_mmlnb.describe.address import recorded_address
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.inference.device import DeviceChoice
from napari_mmlnb.inference.generated import Shown
from napari_mmlnb.inference.runtimes.base import EncoderRuntime
from napari_mmlnb.inference.runtimes.choice import ChosenRuntime
from napari_mmlnb.inference.settings import RunSettings
from napari_mmlnb.result import IccRecord, ModelRecord, SlideRecord
from napari_mmlnb.slides.icc import ColourProfile
from napari_mmlnb.slides.location import recorded
from napari_mmlnb.slides.slide import Slide

_PACKAGES = ("napari-mmlnb", "torch", "timm", "numpy", "zarr", "openslide-python", "tifffile", "opencv-python-headless")


def new_run_id() -> str:
    """A name for a run that no other run has."""
    return uuid.uuid4().hex


def now() -> datetime:
    """The time of the record, UTC, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def slide_record(slide: Slide) -> SlideRecord:
    """Which pixels the run saw."""
    height, width = slide.grids[0].shape
    return SlideRecord(
        path=recorded(slide.path),
        fingerprint=slide.fingerprint,
        size_px=(width, height),
        mpp=slide.mpp.xy,
        mpp_source=slide.mpp_source,
        backend=slide.backend,
        levels=len(slide.grids),
        bounds_px=slide.metadata.bounds_px,
        icc=_icc_record(slide.colour_profile),
        notes=slide.metadata.notes,
    )


def _icc_record(profile: ColourProfile | None) -> IccRecord | None:
    if profile is None:
        return None
    return IccRecord(size_bytes=profile.size, description=profile.description, problem=profile.problem)


def model_record(bundle: Bundle) -> ModelRecord:
    """Which bundle answered."""
    spec = bundle.spec
    return ModelRecord(
        name=spec.name,
        version=spec.version,
        weights_sha256=bundle.weights_sha256,
        licence=spec.licence,
        system=spec.system.name,
        notice=spec.notice,
    )


def settings_record(
    bundle: Bundle,
    settings: RunSettings,
    device: DeviceChoice,
    chosen: ChosenRuntime,
    shown: Shown | None,
    decoder_reduction: int,
) -> dict[str, str | float | int | bool | None]:
    """All that could change the answer, with units in the names."""
    spec = bundle.spec
    return {
        "device": device.device.type,
        "device_reason": device.reason,
        "device_warning": device.warning or None,
        "runtime": chosen.runtime.facts.name,
        "runtime_reason": chosen.reason,
        "describer": spec.describer,
        **_shown_record(shown),
        "roi": settings.roi is not None,
        "roi_sha256": file_sha256(settings.roi) if settings.roi is not None else None,
        "bundle_sha256": file_sha256(bundle.folder / SPEC_FILE),
        "seconds": settings.seconds,
        "encoder": spec.encoder.name,
        "precision": chosen.runtime.facts.precision,
        "tile_px": spec.encoder.input_px,
        "tile_um_per_px": spec.encoder.um_per_px,
        "reduced_in_decoder_by": decoder_reduction,
        "tissue_um_per_px": spec.tissue_um_per_px,
        "min_tissue": spec.min_tissue,
        "attention_scale": "times the slide's mean, fixed for the model",
        "attention_high": bundle.calibration.attention_high,
        "conformal_coverage": bundle.calibration.coverage,
        "evidence_tiles": spec.evidence.tiles,
        "evidence_apart_tiles": spec.evidence.apart,
        "limit_unreadable_share": spec.limits.unreadable_share,
        "limit_min_tiles": spec.limits.min_tiles,
        "limit_min_probability": spec.limits.min_probability,
        "analysis_colours": "raw",
    }


def _shown_record(shown: Shown | None) -> dict[str, str | float | int | bool | None]:
    """Which model's words are shown beside the measured ones, and how they were drawn."""
    if shown is None:
        return {"describer_shown": None}
    asked = shown.request
    return {
        "describer_shown": shown.facts.name,
        "describer_server": recorded_address(asked.server) or None,
        "describer_server_model": asked.server_model or None,
        "describer_prompt_sha256": hashlib.sha256(asked.prompt.encode("utf-8")).hexdigest(),
        "describer_image_px": asked.image_px,
        "describer_seconds_a_tile": asked.seconds_a_tile,
        **{f"describer_{name}": value for name, value in asked.generation.model_dump().items()},
    }


def stop_record(settings: RunSettings, stopped_after: int | None) -> dict[str, float | int | None]:
    """At what level of stability the run was to stop, and after how many tiles it did; None where it did not."""
    return {"stop_when_stable": settings.stop_when_stable, "stopped_after_tiles": stopped_after}


def rates_when_chosen(chosen: ChosenRuntime) -> dict[str, float]:
    """Tiles a second of the runtimes among which this one was chosen: a fact of the machine, as times are."""
    rates = {figure.name: figure.tiles_per_s for figure in chosen.figures}
    return {f"tiles per second of {name} when chosen": rate for name, rate in rates.items() if rate is not None}


def software_record(runtime: EncoderRuntime) -> dict[str, str]:
    """Versions of what computed."""
    used = [name for name in ("openvino",) if name in runtime.identity]
    return {"python": platform.python_version(), **{name: version(name) for name in (*_PACKAGES, *used)}}
