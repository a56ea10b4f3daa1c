"""A describing model behind any OpenAI-compatible server: vLLM, llama.cpp, Ollama, LM Studio, `transformers serve`.

What is sent is the prompt, the picture of one tile at a time, and how the answer is to be drawn. No path, no file
name, no position on the slide, nothing of the case. Another machine than this one gets nothing before the user has
allowed it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from napari_mmlnb.describe.address import ServerAddress
from napari_mmlnb.describe.base import DescriberFacts, EvidenceTile, TileDescription
from napari_mmlnb.describe.chat_client import ChatClient, ServerLimits
from napari_mmlnb.describe.guard import CUT_OFF, TIME_LIMIT, judge
from napari_mmlnb.describe.spoken import summarise_spoken
from napari_mmlnb.errors import DescriberError, RequestError, SendingRefusedError
from napari_mmlnb.result import Description

if TYPE_CHECKING:
    from napari_mmlnb.describe.registry import DescriberRequest

NAME = "server"
DEFAULT_ADDRESS = "http://127.0.0.1:8000/v1"
LIMITS = ServerLimits()

_STOPPED = {"length": CUT_OFF, "time": TIME_LIMIT}
_SENTENCE_ENDS = (".", "!", "?", "…", "\n", "。", "！", "？")


def server_facts(address: str = DEFAULT_ADDRESS) -> DescriberFacts:
    """Facts of a server, with the address that tiles are sent to."""
    return DescriberFacts(
        name=NAME,
        summary="A model behind an OpenAI-compatible server: vLLM, llama.cpp, Ollama, LM Studio, transformers serve.",
        licence="of the server's model",
        generates=True,
        sends_to=address,
    )


class ServerDescriber:
    """Asks a server for a description of each tile.

    Parameters
    ----------
    request : DescriberRequest
        Address, model, prompt, settings. Temperature, top_p, length and seed are passed on; top_k and the repetition
        penalty are no part of the protocol, so the server's own hold.
    limits : ServerLimits
        How long is waited for the connection and the first word; `request.seconds_a_tile` for the whole.

    Raises
    ------
    SendingRefusedError
        If the address is another machine's, and `request.may_send` is false.
    DescriberError
        If the address is none that can be used.
    """

    def __init__(self, request: DescriberRequest, limits: ServerLimits = LIMITS) -> None:
        try:
            address = ServerAddress.parse(request.server or DEFAULT_ADDRESS)
        except RequestError as error:
            raise DescriberError(NAME, error.problem, error.remedy) from None
        if not (address.is_loopback or request.may_send):
            raise SendingRefusedError(NAME, str(address))
        self._address = str(address)
        self._request = request
        self._client = ChatClient(address, limits)
        self._model = request.server_model

    @property
    def facts(self) -> DescriberFacts:
        """Facts of this server; its model is known when it was asked for, or from the first tile on."""
        return replace(server_facts(self._address), model=self._model)

    def describe(self, tiles: Sequence[EvidenceTile]) -> Iterator[TileDescription]:
        """What the server's model says of each tile, one after the other, growing sentence by sentence.

        Raises
        ------
        ServerError
            If the server cannot be reached, does not begin to answer in time, breaks off, or answers something else.
        """
        if tiles and not self._model:
            self._model = self._client.only_model()
        for tile in tiles:
            yield from self._describe_tile(tile)

    def summarise(self, descriptions: Sequence[TileDescription]) -> Description:
        """The tiles' own sentences, each once, with the ranks of the tiles that it was said of."""
        return summarise_spoken(self.facts.name, descriptions)

    def close(self) -> None:
        """Nothing is held: a connection lasts for one tile."""

    def _describe_tile(self, tile: EvidenceTile) -> Iterator[TileDescription]:
        forbidden = self._request.forbidden
        text, finished, told, due = "", "", 0, False
        with closing(self._client.ask(self._question(tile.rgb), self._request.seconds_a_tile)) as answer:
            for delta in answer:
                text += delta.text
                finished = delta.finished
                due |= any(mark in delta.text for mark in _SENTENCE_ENDS)
                if not due or finished:
                    continue
                judged = judge(text, forbidden, ended=False)
                if len(judged.sentences) > told:
                    told, due = len(judged.sentences), False
                    yield TileDescription(tile.rank, judged.sentences, (), judged.faults, complete=False)
        judged = judge(text, forbidden, stopped=_STOPPED.get(finished, ""))
        yield TileDescription(tile.rank, judged.sentences, (), judged.faults)

    def _question(self, rgb: npt.NDArray[np.uint8]) -> dict[str, Any]:
        generation = self._request.generation
        picture = {"type": "image_url", "image_url": {"url": _png_url(rgb)}}
        asked = {"type": "text", "text": self._request.prompt}
        return {
            "model": self._model,
            "messages": [{"role": "user", "content": [picture, asked]}],
            "max_tokens": generation.max_new_tokens,
            "temperature": generation.temperature,
            "top_p": generation.top_p,
            "seed": generation.seed,
        }


def _png_url(rgb: npt.NDArray[np.uint8]) -> str:
    """The picture alone, lossless, without any text in the file."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
