"""How soon and how fast a slide is classified on this machine, beside the bound that reading and encoding set."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psutil

from napari_mmlnb.inference.settings import RunSettings
from napari_mmlnb.result import RunMaps, TileState
from napari_mmlnb.slides.slide import Slide

SAMPLE_S = 0.02
LEAST_TILES = 64


@dataclass(frozen=True)
class ClassifyFigures:
    """What was measured. All of a cold process but for what is named warm.

    Parameters
    ----------
    first_attention_s : float
        From asking to the first map of tiles that were seen, libraries and model loaded on the way.
    first_attention_warm_s : float
        The same once more, with libraries and model in memory; the slide's features are not kept.
    attention_withheld : bool
        Whether those maps came without attention, since the slide looks like nothing that the model knows.
    tiles : int
        Tiles that were read and encoded.
    tiles_per_s : float
        Tiles encoded a second, from the first batch to the last.
    encode_tiles_per_s, decode_tiles_per_s : float
        Tiles a second of the encoder alone and of the reader alone, on all cores.
    bound_tiles_per_s : float
        1 / (1 / encode + 1 / decode): both on the same cores, neither waiting.
    share_of_bound : float
        What of the bound the run reached.
    peak_rss_mb, peak_rss_over_model_mb : float
        Resident memory at most, MiB; and how much of it came after the model was loaded.
    """

    first_attention_s: float
    first_attention_warm_s: float
    attention_withheld: bool
    tiles: int
    tiles_per_s: float
    encode_tiles_per_s: float
    decode_tiles_per_s: float
    bound_tiles_per_s: float
    share_of_bound: float
    peak_rss_mb: float
    peak_rss_over_model_mb: float


@dataclass(frozen=True)
class Streamed:
    """One run as it was watched: when the first attention came, and how fast tiles followed."""

    first_attention_s: float
    withheld: bool
    tiles: int
    tiles_per_s: float
    peak_over_model_mb: float


class PeakMemory:
    """The most resident memory of this process while a block runs, MiB."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.peak_mb = self.now_mb

    @property
    def now_mb(self) -> float:
        """At this moment."""
        return float(self._process.memory_info().rss) / 2**20

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look often, in a thread of its own."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(SAMPLE_S):
                self.peak_mb = max(self.peak_mb, self.now_mb)

        watcher = threading.Thread(target=look, name="peak-memory", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


def measure_classify(slide: Slide, model: str, seconds: float) -> ClassifyFigures:
    """Measure a run on a slide; nothing is kept.

    Parameters
    ----------
    slide : Slide
        The slide.
    model : str
        Name or folder of a bundle.
    seconds : float
        How long each of the two runs may encode.

    Raises
    ------
    MmlnbError
        As `classify` does.
    """
    memory = PeakMemory()
    with memory.watched():
        cold = watch_run(slide, model, RunSettings(seconds=seconds, cache_bytes=0), memory)
        peak_mb = memory.peak_mb
        warm = watch_run(slide, model, RunSettings(seconds=seconds, cache_bytes=0), memory)
    encode, decode = _alone(slide, model, max(LEAST_TILES, min(warm.tiles, 512)))
    bound = 1 / (1 / encode + 1 / decode)
    return ClassifyFigures(
        first_attention_s=round(cold.first_attention_s, 3),
        first_attention_warm_s=round(warm.first_attention_s, 3),
        attention_withheld=cold.withheld,
        tiles=warm.tiles,
        tiles_per_s=round(warm.tiles_per_s, 1),
        encode_tiles_per_s=round(encode, 1),
        decode_tiles_per_s=round(decode, 1),
        bound_tiles_per_s=round(bound, 1),
        share_of_bound=round(warm.tiles_per_s / bound, 3),
        peak_rss_mb=round(peak_mb, 1),
        peak_rss_over_model_mb=round(cold.peak_over_model_mb, 1),
    )


def watch_run(slide: Slide, model: str, settings: RunSettings, memory: PeakMemory) -> Streamed:
    """Classify a slide and note when what came."""
    started = time.perf_counter()
    from napari_mmlnb.inference.runner import classify  # noqa: PLC0415 - importing is part of what is measured

    first_attention, withheld = float("nan"), True
    model_mb = memory.now_mb
    moments: list[tuple[float, int]] = []
    for update in classify(slide, model, settings=settings, stream=True):
        now = time.perf_counter() - started
        if update.stage == "tissue":  # the model is loaded
            model_mb = memory.now_mb
        if update.stage == "encode":
            moments.append((now, update.done))
        if np.isnan(first_attention) and update.maps is not None and _seen(update.maps):
            first_attention, withheld = now, not np.isfinite(update.maps.attention).any()
    # From the first batch on, where there is more than one: what comes before it is no matter of the rate.
    counted = moments[1:] if len(moments) > 2 else moments
    (begun, before), (ended, seen) = counted[0], counted[-1]
    return Streamed(first_attention, bool(withheld), seen, (seen - before) / (ended - begun), memory.peak_mb - model_mb)


def _seen(maps: RunMaps) -> bool:
    return bool((maps.state == TileState.USED).any())


def _alone(slide: Slide, model: str, count: int) -> tuple[float, float]:
    """Tiles a second of the encoder alone and of the reader alone, on tiles of the slide's tissue."""
    from napari_mmlnb.bundles.kept import kept_bundle  # noqa: PLC0415 - see `watch_run`
    from napari_mmlnb.inference.bundle_runtime import bundle_runtime  # noqa: PLC0415
    from napari_mmlnb.inference.device import choose_device  # noqa: PLC0415
    from napari_mmlnb.inference.encoding import encode_tiles  # noqa: PLC0415
    from napari_mmlnb.inference.slide_view import view_slide  # noqa: PLC0415
    from napari_mmlnb.slides.tile_grid import build_tile_grid  # noqa: PLC0415
    from napari_mmlnb.slides.tile_order import fair_order  # noqa: PLC0415
    from napari_mmlnb.slides.tile_reader import TileReader  # noqa: PLC0415

    bundle = kept_bundle(model)
    spec = bundle.spec
    tissue = view_slide(slide, spec.tissue_um_per_px, keep=False).tissue
    tiles = build_tile_grid(tissue, spec.encoder.input_px, spec.encoder.um_per_px, spec.min_tissue)
    order = fair_order(tiles, slide.stored_tile_um(tiles.um_per_px))[:count]
    settings = RunSettings()
    runtime = bundle_runtime(bundle, choose_device(settings.device).device, settings.runtime).runtime
    with TileReader(
        slide, tiles, order=order, batch=runtime.batch, reduce_in_decoder=settings.reduce_in_decoder
    ) as reader:
        started = time.perf_counter()
        batches = [batch for batch in reader if batch.readable.any()]
        decode = len(order) / (time.perf_counter() - started)
    encode = _rate(lambda: sum(len(b.indices) for b in encode_tiles(batches, runtime)))
    return encode, decode


def _rate(work: Callable[[], int]) -> float:
    started = time.perf_counter()
    count = work()
    return count / (time.perf_counter() - started)
