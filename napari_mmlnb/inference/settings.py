"""What a run is asked to do, and what it says while it does it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_mmlnb.describe.address import check_address
from napari_mmlnb.errors import RequestError
from napari_mmlnb.result import GeneratedSentence, RunMaps, RunResult

if TYPE_CHECKING:
    from napari_mmlnb.inference.estimate import RunEstimate

SERVER = "server"
"""The describer that asks a server."""
DEFAULT_BYTES = 20 * 2**30
"""Of kept features: about a hundred large slides."""

Stage = Literal["load", "tissue", "encode", "describe", "done"]


@dataclass(frozen=True)
class RunSettings:
    """How to run; nothing here changes the optics.

    Parameters
    ----------
    describer : str, optional
        Name or folder of what describes the evidence tiles in its own words, beside what is measured; "measured" for
        none. Where not given the bundle's own model, or the server where one is. The class never rests on it.
    describer_base : str
        The model that an adapter belongs to, where `describer` is the folder of one: a folder, or NAME@COMMIT; where
        not given it is looked for by its name.
    server : str
        Address of an OpenAI-compatible server that is to describe.
    server_model : str
        The model that it is asked for.
    may_send : bool
        Whether the user has said that tiles may be sent to a server that is not this machine.
    describer_seconds : float
        After so long one tile's description is given up; the run goes on without it.
    device : str
        "auto", "cpu", "cuda" or "mps".
    roi : Path, optional
        GeoJSON file with the region to look at, in level-0 pixels as QuPath writes it.
    seconds : float, optional
        Stop encoding after this long and answer from the tiles seen so far, which are a fair sample of the tissue.
    batch : int, optional
        Tiles read at once; by default what the runtime likes best. The answer does not depend on it.
    runtime : str
        What computes the features, by name (`inference.runtimes`); "auto" for the fastest that agrees with float32.
    reduce_in_decoder : bool
        Whether JPEG tiles finer than the encoder's scale may be reduced while they are decoded (in the DCT domain):
        faster, and hardly another picture (mean cosine of the features 0.9995); recorded in the result.
    threads : int, optional
        Threads of the run's own that read and decode; by default the slide's, whose viewer comes first.
    stop_when_stable : float, optional
        Stop encoding once the class is stable to this level (0.5 to below 1, see `napari_mmlnb.inference.early_stop`)
        and answer from the tiles seen so far; by default all tiles are looked at.
    cache_bytes : int
        What the features that are kept between runs may take on the disk, all slides together; 0 to keep and use none.
    """

    describer: str | None = None
    describer_base: str = ""
    server: str = ""
    server_model: str = ""
    may_send: bool = False
    describer_seconds: float = 120.0
    device: str = "auto"
    roi: Path | None = None
    seconds: float | None = None
    batch: int | None = None
    runtime: str = "auto"
    threads: int | None = None
    reduce_in_decoder: bool = True
    cache_bytes: int = DEFAULT_BYTES
    stop_when_stable: float | None = None

    def __post_init__(self) -> None:
        if self.server:
            check_address(self.server, may_send=self.may_send)
            if self.describer not in {None, SERVER}:
                raise RequestError(
                    f"Both a server and the describer {self.describer} were asked for.", "Give one of the two."
                )
        elif self.describer == SERVER:
            raise RequestError("A server is to describe, but its address is missing.", "Give it with --server URL.")
        if self.describer_base and not self.describer:
            raise RequestError(
                "The base of an adapter is given, but no adapter.", "Give the adapter's folder with --describer DIR."
            )
        if not self.describer_seconds > 0:
            raise RequestError("A tile cannot be described in no time.", "Give more than 0 seconds.")
        if self.stop_when_stable is not None and not 0.5 <= self.stop_when_stable < 1:
            raise RequestError(
                f"A class cannot be stable to a level of {self.stop_when_stable:g}.",
                "Give a level from 0.5 to below 1, for example 0.95.",
            )


@dataclass(frozen=True)
class RunUpdate:
    """News of a run.

    Parameters
    ----------
    stage : str
        Where it is.
    message : str
        The same for a person.
    done, total : int
        Steps of the stage, tiles while encoding; total 0 where it is not known.
    maps : RunMaps or None
        Attention so far, sharpening; None where there is nothing new to show.
    estimate : RunEstimate or None
        With maps: the class probabilities so far, with their intervals; None where no class may be named (the tiles
        seen look foreign, too many are unreadable, no class is probable enough).
    result : RunResult or None
        Only with stage "done".
    warning : str
        What a person must be told at once and will not see in the stage; mostly empty.
    answer : RunResult or None
        With stage "describe", once, where the class does not rest on a describing model's words: the whole result but
        for these words, which are still to come.
    said : GeneratedSentence or None
        With stage "describe": the next sentence of the describing model, as soon as it is there.
    """

    stage: Stage
    message: str
    done: int = 0
    total: int = 0
    maps: RunMaps | None = None
    result: RunResult | None = None
    estimate: RunEstimate | None = None
    warning: str = ""
    said: GeneratedSentence | None = None
    answer: RunResult | None = None
