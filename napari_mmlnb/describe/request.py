"""What a describer is to be made for: the one thing that all of them are handed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_mmlnb.describe.prompt import DEFAULT_PROMPT, Generation

UNSTATED = "not stated"
"""The licence of a model of which nobody has said one."""


@dataclass(frozen=True)
class DescriberRequest:
    """What a describer is to be made for.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    prompt : str
        What a model is asked. One in a folder whose `describing.json` holds the question that it was trained with is
        asked that, where this is the default.
    generation : Generation
        How it may answer; the same holds for it.
    forbidden : tuple of str
        Words that no sentence may hold: the classes' ids and labels.
    folder : Path, optional
        Of the bundle's own model.
    licence : str
        Of the bundle's own model, or of one in a folder.
    adapter : Path, optional
        Folder of a LoRA adapter (peft) for a model in this process. The folder of an adapter can also be asked for by
        itself, as any folder.
    base : str
        The model that an adapter in a folder belongs to, where it cannot be found by its name: a folder, or
        NAME@COMMIT.
    image_px : int, optional
        Side that a tile is resized to before the model's processor; from `describing.json`.
    end_token : int, optional
        A token that ends an answer, beside the model's own; from `describing.json`.
    weights_sha256 : str
        Digest of the model's weights where it is known already, as of a bundle's own.
    server : str
        Address of an OpenAI-compatible server, with its path, for example "http://127.0.0.1:8000/v1".
    server_model : str
        The model that the server is asked for.
    may_send : bool
        Whether the user has said that tiles may be sent to an address that is not this machine's.
    seconds_a_tile : float
        After so long a tile's description is given up.
    """

    device: str = "auto"
    prompt: str = DEFAULT_PROMPT
    generation: Generation = Generation()  # noqa: RUF009 - frozen
    forbidden: tuple[str, ...] = ()
    folder: Path | None = None
    licence: str = UNSTATED
    adapter: Path | None = None
    base: str = ""
    image_px: int | None = None
    end_token: int | None = None
    weights_sha256: str = ""
    server: str = ""
    server_model: str = ""
    may_send: bool = False
    seconds_a_tile: float = 120.0


AS_THE_PROGRAM_ASKS = DescriberRequest()
