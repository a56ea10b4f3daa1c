"""A describing model behind any OpenAI-compatible server: vLLM, llama.cpp, Ollama, LM Studio, `transformers serve`.

What is sent is the prompt, the picture of one tile at a time, and how the answer is to be drawn. No path, no file
name, no position on the slide, nothing of the case. Another machine than this one gets nothing before the user has
allowed it.
"""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from napari_mmlnb.describe.address import ServerAddress
from napari_mmlnb.describe.base import DescriberFacts, EvidenceTile, TileDescription
from napari_mmlnb.describe.chat_client import ChatClient, Delta, ServerLimits
from napari_mmlnb.describe.guard import CUT_OFF, TIME_LIMIT, Judgement, judge
from napari_mmlnb.describe.spoken import summarise_spoken
from napari_mmlnb.errors import DescriberError, RequestError, SendingRefusedError, ServerBusyError, ServerError
from napari_mmlnb.result import Description

if TYPE_CHECKING:
    from napari_mmlnb.describe.request import DescriberRequest

NAME = "server"
DEFAULT_ADDRESS = "http://127.0.0.1:8000/v1"
LIMITS = ServerLimits()

NOTHING_YET = "cut off before it said anything"
TOO_LONG = "did not end at the length that was asked for"
"""Faults that only a server has, beside those of the guard."""

_TOO_LONG = "too long"
_LONGEST_TOKEN = 10
"""Characters; a text with more for each token that was asked for comes from a server that does not count them."""
_LONGEST_WAIT = 0.5
"""Share of a tile's time that is left, after which a busy server is asked again at the latest."""
_LOOK_S = 0.5
_LEAST_S = 0.01
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
        How long is waited for what comes before an answer; for the whole answer `request.seconds_a_tile`.

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
        self._limits = limits
        self._client = ChatClient(address, limits)
        self._model = request.server_model

    @property
    def facts(self) -> DescriberFacts:
        """Facts of this server; its model is known when it was asked for, or from the first tile on."""
        return replace(server_facts(self._address), model=self._model)

    def describe(self, tiles: Sequence[EvidenceTile]) -> Iterator[TileDescription]:
        """What the server's model says of each tile, one after the other, growing sentence by sentence.

        A tile that the server fails at is given with the failure among its faults, and the next one is sent. No more is
        sent after two failures in a row, or one that every tile would meet.

        Raises
        ------
        ServerError
            If that is so, or nothing could be described: the server cannot be reached, does not answer in time, breaks
            off, or answers something else.
        """
        described = False
        failure: ServerError | None = None
        for tile in tiles:
            heard = _Heard(tile.rank, self._request)
            try:
                yield from self._describe_tile(tile, heard)
            except ServerError as error:
                if failure is not None or error.lasting:
                    raise
                failure = error
                yield heard.broken(error.problem)
            else:
                described, failure = True, None
        if failure is not None and not described:
            raise failure

    def summarise(self, descriptions: Sequence[TileDescription]) -> Description:
        """The tiles' own sentences, each once, with the ranks of the tiles that it was said of."""
        return summarise_spoken(self.facts.name, descriptions)

    def close(self) -> None:
        """Nothing is held: a connection lasts for one tile."""

    def _describe_tile(self, tile: EvidenceTile, heard: _Heard) -> Iterator[TileDescription]:
        """Ask, and once more where the server is busy; all of it within the tile's time."""
        until = time.monotonic() + self._request.seconds_a_tile
        try:
            yield from self._ask(tile, heard, until)
        except ServerBusyError as busy:
            wait = self._limits.busy if busy.wait is None else busy.wait
            again = time.monotonic() + min(wait, (until - time.monotonic()) * _LONGEST_WAIT)
            while (left := again - time.monotonic()) > 0:
                yield heard.growing()  # whoever has stopped listening is not waited for
                time.sleep(min(left, _LOOK_S))
            yield from self._ask(tile, heard, until)

    def _ask(self, tile: EvidenceTile, heard: _Heard, until: float) -> Iterator[TileDescription]:
        if not self._model:
            self._model = self._client.only_model(_left(until))
        with closing(self._client.ask(self._question(tile.rgb), _left(until))) as answer:
            for delta in answer:
                if heard.take(delta):
                    yield heard.growing()
                if heard.finished:
                    break
        yield heard.whole()

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


class _Heard:
    """What the server has said of one tile so far, judged as it grows."""

    def __init__(self, rank: int, request: DescriberRequest) -> None:
        self._rank = rank
        self._forbidden, self._prompt = request.forbidden, request.prompt
        self._most = request.generation.max_new_tokens * _LONGEST_TOKEN
        self._text = ""
        self._judged = Judgement((), ())
        self._due = False
        self.finished = ""

    def take(self, delta: Delta) -> bool:
        """Add a piece; whether there is a sentence more to tell."""
        self._text += delta.text
        self.finished = delta.finished
        if len(self._text) > self._most:
            self._text, self.finished = self._text[: self._most], _TOO_LONG
        self._due |= any(mark in delta.text for mark in _SENTENCE_ENDS)
        if not self._due or self.finished:
            return False
        before, self._judged = len(self._judged.sentences), self._judge(ended=False)
        grown = len(self._judged.sentences) > before
        self._due = not grown
        return grown

    def growing(self) -> TileDescription:
        """What is told before the answer has ended."""
        return TileDescription(self._rank, self._judged.sentences, (), self._judged.faults, complete=False)

    def whole(self) -> TileDescription:
        """What is told when it has."""
        # Whatever reason a server gives but its own end, the last sentence may be torn.
        stopped = "" if self.finished == "stop" else TIME_LIMIT if self.finished == "time" else CUT_OFF
        judged = self._judge(stopped=stopped)
        faults = judged.faults
        if stopped and not self._text.strip():
            faults = (NOTHING_YET,)
        elif self.finished == _TOO_LONG:
            faults = (*(fault for fault in faults if fault != CUT_OFF), TOO_LONG)
        return TileDescription(self._rank, judged.sentences, (), faults)

    def broken(self, problem: str) -> TileDescription:
        """What is told where the server failed: the sentences that had come to their end, and why there are no more."""
        judged = self._judge(ended=False)
        return TileDescription(self._rank, judged.sentences, (), (*judged.faults, problem))

    def _judge(self, *, ended: bool = True, stopped: str = "") -> Judgement:
        return judge(self._text, self._forbidden, ended=ended, stopped=stopped, prompt=self._prompt)


def _left(until: float) -> float:
    return max(until - time.monotonic(), _LEAST_S)


def _png_url(rgb: npt.NDArray[np.uint8]) -> str:
    """The picture alone, lossless, without any text in the file."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
