"""Run records as the runner makes them, with rasters that fit: for the tests of whatever shows a run."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.result import (
    AbstainReason,
    ClassRecord,
    Coverage,
    Description,
    Evidence,
    GeneratedDescription,
    GeneratedSentence,
    Measurement,
    ModelRecord,
    Probabilities,
    RunMaps,
    RunResult,
    Sentence,
    Shift,
    SlideRecord,
    TextTrust,
    TileState,
)

SLIDE_PATH = "/archive/Doe^Jane 1987/Doe-Jane-B.tiff"
TILE_UM = 112.0
COLOURS = ("#1b6ca8", "#7a5195", "#2f8f5b", "#b5651d", "#8a8d00", "#5f6b7a")
LABELS = {"ud": "Undifferentiated", "pd": "Poorly differentiated", "d": "Differentiating"}
NOTICE = "This model knows synthetic slides only. What it says of a real slide means nothing."
SENTENCES = (
    "Nuclei are dense, 6 240 per mm², with a median diameter of 7.4 µm.",
    "About 31 % of the tile is pale fibrillary material that resembles neuropil.",
    "No pale, necrotic area was measured.",
)


def texture(shape: tuple[int, int], seed: int, nuclei: float = 0.0016) -> npt.NDArray[np.uint8]:
    """A patch that looks like H&E from afar: pink ground, violet dots."""
    rng = np.random.default_rng(seed)
    ground = ndimage.gaussian_filter(rng.random(shape), 9, mode="wrap")
    ground = (ground - ground.mean()) / (ground.std() + 1e-9)
    dots = ndimage.gaussian_filter((rng.random(shape) < nuclei).astype(float), 3.2) * 90
    eosin, haematoxylin = 0.35 + 0.07 * ground, np.clip(dots, 0, 1.2)
    density = eosin[..., None] * (0.09, 0.95, 0.30) + haematoxylin[..., None] * (0.65, 0.70, 0.29)
    return np.clip(245 * np.exp(-density), 0, 255).astype(np.uint8)


def make_maps(
    shape: tuple[int, int] = (14, 18), classes: tuple[str, ...] = ("ud", "pd", "d"), seed: int = 1
) -> RunMaps:
    """Rasters of a slide of `shape` tiles with one lump of tissue, a hole in it and two unreadable tiles."""
    rng = np.random.default_rng(seed)
    rows, columns = shape
    y, x = np.mgrid[0:rows, 0:columns]
    lump = ((y - rows / 2 + 0.5) / (rows * 0.42)) ** 2 + ((x - columns / 2 + 0.5) / (columns * 0.44)) ** 2 < 1
    hole = (abs(y - rows * 0.65) < 1.2) & (abs(x - columns * 0.6) < 1.2)
    there = lump & ~hole
    state = np.where(there, TileState.USED, TileState.NO_TISSUE).astype(np.uint8)
    state[tuple(np.argwhere(there)[3:5].T)] = TileState.UNREADABLE
    attention = np.exp(ndimage.gaussian_filter(rng.normal(size=shape), 1.2) * 2.2).astype(np.float32)
    attention[state != TileState.USED] = np.nan
    if np.isfinite(attention).any():
        attention /= np.nanmean(attention)
    contribution = {
        name: np.where(np.isnan(attention), np.nan, rng.normal(0.01, 0.02, shape)).astype(np.float32)
        for name in classes
    }
    times = 14
    tissue = np.repeat(np.repeat(there, times, 0), times, 1)
    pixel = TILE_UM / times
    thumbnail = np.full((*tissue.shape, 3), 243, np.uint8)
    thumbnail[tissue] = texture(tissue.shape, seed)[tissue]
    flat_grid = PixelGrid((tissue.shape[0], tissue.shape[1]), (pixel, pixel))
    return RunMaps(
        grid=PixelGrid(shape, (TILE_UM, TILE_UM)),
        attention=attention,
        contribution=contribution,
        state=state,
        attention_limits=(0.0, 4.0),
        tissue=tissue,
        tissue_grid=flat_grid,
        thumbnail=thumbnail,
        thumbnail_grid=flat_grid,
    )


def make_evidence(maps: RunMaps, count: int = 8) -> tuple[Evidence, ...]:
    """The most attended tiles."""
    order = np.argsort(-np.nan_to_num(maps.attention, nan=-1), axis=None)[:count]
    evidence = []
    for rank, flat in enumerate(order, start=1):
        row, column = np.unravel_index(flat, maps.attention.shape)
        evidence.append(
            Evidence(
                rank=rank,
                region_um=maps.grid.pixel_region(int(row), int(column)).yxhw,
                attention=float(maps.attention[row, column]),
                contribution={name: float(values[row, column]) for name, values in maps.contribution.items()},
                sentences=SENTENCES[: 1 + rank % 3],
                measurements=(
                    Measurement(name="nuclear density", value=6240.0 + 310 * rank, unit="1/mm²"),
                    Measurement(name="median nuclear diameter", value=7.4 + 0.1 * rank, unit="µm"),
                    Measurement(name="haematoxylin, mean optical density", value=0.412 - 0.01 * rank, unit="OD"),
                    Measurement(name="neuropil-like fraction", value=0.31 - 0.02 * rank, unit=""),
                    Measurement(name="pale or necrotic fraction", value=0.0, unit=""),
                ),
            )
        )
    return tuple(evidence)


AGAINST = "measured: neuropil-like material 2 % of tissue"


def make_generated(evidence: tuple[Evidence, ...], **changes: object) -> GeneratedDescription:
    """A model's words: of each tile two sentences, of the third one that a measurement contradicts."""
    cells, felt = "Small round cells lie in dense sheets.", "Abundant neuropil parts the cells."
    tiles = tuple(
        GeneratedSentence(
            text=text, evidence=(e.rank,), contradicted_by=AGAINST if e.rank == 3 and text is felt else ""
        )
        for e in evidence
        for text in (cells, felt)
    )
    ranks = tuple(e.rank for e in evidence)
    against = AGAINST.replace("measured", "measured on tile 3")
    said = GeneratedDescription(
        describer="made-up-vlm",
        licence="Apache-2.0",
        sentences=(
            GeneratedSentence(text=cells, evidence=ranks),
            GeneratedSentence(text=felt, evidence=ranks, contradicted_by=against),
        ),
        tiles=tiles,
        seconds=2.5,
    )
    return said.model_copy(update=changes)


def make_result(
    decision: str = "predict",
    labels: dict[str, str] | None = None,
    evidence_count: int = 8,
    shape: tuple[int, int] = (14, 18),
) -> RunResult:
    """A finished run with its rasters.

    Parameters
    ----------
    decision : str
        "predict" or "abstain" (out of distribution).
    labels : dict
        {class id: label}; the first is predicted.
    evidence_count : int
        Tiles in the evidence.
    shape : tuple of int
        Of the tile grid.
    """
    labels = labels or {"pd": LABELS["pd"], "ud": LABELS["ud"], "d": LABELS["d"]}
    ids = tuple(labels)
    maps = make_maps(shape, ids)
    evidence = make_evidence(maps, evidence_count)
    weights = np.array([0.72] + [0.28 / (len(ids) - 1)] * (len(ids) - 1))
    fused, image, text = (
        {name: float(p) for name, p in zip(ids, np.power(weights, sharp) / np.power(weights, sharp).sum(), strict=True)}
        for sharp in (1.0, 0.8, 0.3)
    )
    abstained = decision == "abstain"
    used, unreadable = (int((maps.state == which).sum()) for which in (TileState.USED, TileState.UNREADABLE))
    result = RunResult(
        run_id="7d1f6f0e-8a35-4d83-a5f0-2f8f17d5c001",
        created=datetime(2026, 11, 21, 9, 30, 12, tzinfo=UTC),
        slide=SlideRecord(
            path=SLIDE_PATH,
            fingerprint="sha256:" + "5e8f3a1c9b7d2046" * 4,
            size_px=(shape[1] * 224, shape[0] * 224),
            mpp=(0.5, 0.5),
            mpp_source="tiff.XResolution",
            backend="tifffile",
            levels=3,
        ),
        model=ModelRecord(
            name="made-up",
            version="1.0.0",
            weights_sha256="c0ffee1234567890" * 4,
            licence="BSD-3-Clause",
            system="mmlnb",
            notice=NOTICE,
        ),
        decision=decision,  # type: ignore[arg-type]
        abstain_reasons=(
            AbstainReason(
                code="out_of_distribution",
                text="The slide lies outside what the model was trained on: its score is 9.31, the limit is 2.40.",
            ),
        )
        if abstained
        else (),
        classes=tuple(
            ClassRecord(id=name, label=label, colour=COLOURS[i]) for i, (name, label) in enumerate(labels.items())
        ),
        probabilities=Probabilities(image=image, text=text, fused=fused),
        prediction=None if abstained else ids[0],
        prediction_set=() if abstained else ids[:2],
        text_trust=TextTrust(gate=0.37),
        shift=Shift(score=9.31 if abstained else 1.12, limit=2.4),
        coverage=Coverage(
            tissue_mm2=used * TILE_UM**2 * 1e-6,
            tiles_total=used + unreadable,
            tiles_used=used,
            tiles_unreadable=unreadable,
        ),
        evidence=evidence,
        description=Description(
            text=" ".join(SENTENCES),
            describer="measured",
            sentences=tuple(Sentence(text=text, evidence=(1, 2, 5)) for text in SENTENCES),
        )
        if evidence
        else None,
        settings={
            "describer": "measured",
            "device": "cpu",
            "roi": SLIDE_PATH.replace(".tiff", ".geojson"),
            "batch": 32,
        },
        timings={"tissue_s": 0.42, "encode_s": 12.8, "describe_s": 1.03, "total_s": 14.6, "tiles_from_cache": 0},
        software={"napari-mmlnb": "0.1.0", "python": "3.11.9", "torch": "2.8.0", "openvino": "2025.3.0"},
    )
    tiles = tuple(texture((224, 224), 100 + item.rank, nuclei=0.004) for item in evidence)
    return result.with_maps(RunMaps(**{**vars(maps), "evidence_tiles": tiles}))
