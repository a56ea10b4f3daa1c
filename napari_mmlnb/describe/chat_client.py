"""A client of OpenAI-compatible chat servers, of the standard library alone: one question, an answer word by word.

It connects to the address that it was given and to no other: no proxy, no redirect. Every wait has an end: a watch
shuts the connection when the time is over, whatever the server is doing then.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any

from napari_mmlnb.describe.address import KEY_VARIABLE, ServerAddress
from napari_mmlnb.errors import DescriberError, ServerError

LONGEST_ANSWER = 4_000_000
"""Bytes after which an answer is no description any more."""

_NAME = "server"


@dataclass(frozen=True)
class ServerLimits:
    """How long is waited, seconds.

    Parameters
    ----------
    connect : float
        For the connection.
    first_word : float
        For the first word of an answer; some servers load their model only then.
    """

    connect: float = 5.0
    first_word: float = 60.0


@dataclass(frozen=True)
class Delta:
    """A piece of an answer.

    Parameters
    ----------
    text : str
        What is added.
    finished : str
        Why the answer ends here: "stop", "length", or "time" where we stopped it. Empty where it goes on.
    """

    text: str
    finished: str = ""


class ChatClient:
    """Asks one server.

    Parameters
    ----------
    address : ServerAddress
        Where it answers.
    limits : ServerLimits
        How long is waited.
    """

    def __init__(self, address: ServerAddress, limits: ServerLimits = ServerLimits()) -> None:
        self.address = address
        self._limits = limits

    def only_model(self) -> str:
        """The one model that the server lists.

        Raises
        ------
        ServerError
            If it cannot be asked, or lists none or several.
        """
        with self._asked("GET", "/models", None, self._limits.first_word) as (response, _):
            listed = self._json(response.read(LONGEST_ANSWER))
        entries = listed.get("data") if isinstance(listed, dict) else None
        names = (
            [str(e["id"]) for e in entries if isinstance(e, dict) and "id" in e] if isinstance(entries, list) else []
        )
        if len(names) != 1:
            what = f"lists {len(names)} models" + (f" ({', '.join(names[:5])})" if names else "")
            raise self._error(f"The server at {self.address} {what}, and none was asked for.", "Name the model.")
        return names[0]

    def ask(self, question: dict[str, Any], seconds: float) -> Generator[Delta]:
        """Ask, and give the answer as it comes; closing the iterator closes the connection.

        Parameters
        ----------
        question : dict
            Body of a chat completion.
        seconds : float
            For the whole answer. One that was begun then ends with "time".

        Raises
        ------
        ServerError
            If the server cannot be reached, does not begin in time, breaks off, refuses, or gives no such answer.
        """
        body = json.dumps({**question, "stream": True}).encode()
        with self._asked("POST", "/chat/completions", body, seconds) as (response, watch):
            said = False
            try:
                for delta in self._deltas(response):
                    if delta.text and not said:
                        said = True
                        watch.first_word_came()
                    yield delta
                    if delta.finished:
                        return
            except (OSError, HTTPException, ValueError):
                if not (watch.over and said):
                    raise
            if watch.over and said:
                yield Delta("", "time")
                return
            raise ConnectionError if said or watch.over else _NothingSaidError

    @contextmanager
    def _asked(
        self, method: str, path: str, body: bytes | None, seconds: float
    ) -> Iterator[tuple[HTTPResponse, _Watch]]:
        """A response of status 200; whatever goes wrong on the way, or in the block, as one of our errors."""
        kind = HTTPSConnection if self.address.scheme == "https" else HTTPConnection
        connection = kind(self.address.host, self.address.port, timeout=self._limits.connect)
        headers = {"Accept": "text/event-stream, application/json", "Connection": "close"} | self._key()
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            self._connect(connection)
        except BaseException:
            connection.close()
            raise
        watch = _Watch(connection, min(self._limits.first_word, seconds), seconds)
        try:
            connection.request(method, self.address.path + path, body, headers)
            response = connection.getresponse()
            self._check(response)
            yield response, watch
        except _NothingSaidError:
            raise self._error(
                f"The server at {self.address} answered nothing.", "Is it one that speaks as OpenAI's does?"
            ) from None
        except (OSError, HTTPException, ValueError) as error:
            raise self._broken(watch, error) from None
        finally:
            watch.end()
            connection.close()

    def _connect(self, connection: HTTPConnection) -> None:
        try:
            connection.connect()
        except TimeoutError:
            raise self._error(
                f"The server at {self.address} does not take connections.", "Is it running, and is the address right?"
            ) from None
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise self._error(
                f"There is no server at {self.address} ({why}).",
                "Start it, or give its address: vLLM and transformers serve answer on port 8000, llama.cpp on 8080, "
                "Ollama on 11434, LM Studio on 1234, each under /v1.",
            ) from None
        if connection.sock is not None:
            connection.sock.settimeout(None)  # from here on the watch ends what takes too long

    def _check(self, response: HTTPResponse) -> None:
        status = response.status
        if status == _OK:
            return
        if _REDIRECTS[0] <= status <= _REDIRECTS[1]:
            raise self._error(
                f"The server at {self.address} points to another address (HTTP {status}), which is not followed.",
                "Give the address at which it answers itself.",
            )
        told = self._told(response.read(100_000))
        remedy = _REMEDIES.get(status, "Look into the server's log.")
        raise self._error(f"The server at {self.address} answered HTTP {status}{told}.", remedy)

    def _deltas(self, response: HTTPResponse) -> Iterator[Delta]:
        """An answer as server-sent events, or, of servers that do not stream, in one piece."""
        if "text/event-stream" not in (response.getheader("Content-Type") or ""):
            whole = response.read(LONGEST_ANSWER)
            if whole.strip():
                yield self._piece(self._json(whole), "message")
            return
        taken = 0
        rest = b""
        while block := response.read1(65536):
            taken += len(block)
            if taken > LONGEST_ANSWER:
                raise self._error(f"The server at {self.address} does not come to an end.", "Look into its log.")
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                data = line.strip().removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
                if data and data != b"[DONE]":
                    yield self._piece(self._json(data), "delta")
                elif data:
                    yield Delta("", "stop")

    def _piece(self, event: Any, kind: str) -> Delta:
        if isinstance(event, dict) and "error" in event:
            raise self._error(f"The server at {self.address} failed{self._quoted(event['error'])}.", _LOG)
        try:
            choice = event["choices"][0] if event["choices"] else {}
            content = (choice.get(kind) or {}).get("content") or ""
            reason = choice.get("finish_reason") or ("stop" if kind == "message" else "")
        except (KeyError, TypeError, AttributeError, IndexError):
            raise self._error(
                f"The server at {self.address} answered something else than a chat.", _WRONG_KIND
            ) from None
        return Delta(str(content), str(reason))

    def _json(self, data: bytes) -> Any:
        try:
            return json.loads(data)
        except ValueError:
            raise self._error(f"The server at {self.address} answered something else than JSON.", _WRONG_KIND) from None

    def _told(self, body: bytes) -> str:
        try:
            read = json.loads(body)
        except ValueError:
            return ""
        return self._quoted(read.get("error", read.get("detail", "")) if isinstance(read, dict) else "")

    def _quoted(self, error: Any) -> str:
        """What a server says of its failure: one short line, without our key, should it be repeated there."""
        text = error.get("message", "") if isinstance(error, dict) else error
        line = "".join(c if c.isprintable() else " " for c in str(text))
        key = os.environ.get(KEY_VARIABLE, "").strip()
        line = " ".join((line.replace(key, "...") if key else line).split())[:200].rstrip(".")
        return f" ({line})" if line else ""

    def _key(self) -> dict[str, str]:
        key = os.environ.get(KEY_VARIABLE, "").strip()
        if not key:
            return {}
        if not (key.isascii() and key.isprintable()):
            raise DescriberError(_NAME, f"What {KEY_VARIABLE} holds is no key.", "Set it again.")
        return {"Authorization": f"Bearer {key}"}

    def _broken(self, watch: _Watch, error: Exception) -> ServerError:
        if watch.over:
            return self._error(
                f"The server at {self.address} did not answer within {watch.seconds:g} seconds.",
                "It may be loading its model, or be too slow: try again, or give it more time.",
            )
        return self._error(
            f"The server at {self.address} broke off its answer ({type(error).__name__}).", "Look into its log."
        )

    def _error(self, problem: str, remedy: str) -> ServerError:
        return ServerError(_NAME, str(self.address), problem, remedy)


class _NothingSaidError(ValueError):
    """A response without a word."""


class _Watch:
    """Shuts a connection when the first word, or the whole answer, takes too long."""

    def __init__(self, connection: HTTPConnection, first: float, whole: float) -> None:
        self._socket = connection.sock
        self.over = False
        self.seconds = first
        self._timers = [threading.Timer(seconds, self._shut, (seconds,)) for seconds in (first, whole)]
        for timer in self._timers:
            timer.daemon = True
            timer.start()

    def first_word_came(self) -> None:
        """From now on only the whole answer's time counts."""
        self._timers[0].cancel()

    def end(self) -> None:
        """Nothing is waited for any more."""
        for timer in self._timers:
            timer.cancel()

    def _shut(self, seconds: float) -> None:
        self.over = True
        self.seconds = seconds
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


_OK = 200
_REDIRECTS = (300, 399)
_LOG = "Look into the server's log."
_WRONG_KIND = "Is it a server that speaks as OpenAI's does, and does its address end in /v1?"
_REMEDIES = {
    400: "Does the model take images?",
    401: f"It asks for a key: set {KEY_VARIABLE}.",
    403: f"It refuses the key: set {KEY_VARIABLE} rightly.",
    404: "Check the address (it mostly ends in /v1) and the name of the model.",
    413: "It takes no pictures of this size: raise its limit.",
    422: "Check the name of the model, and whether it takes images.",
    429: "It is busy: try again later.",
    503: "It is busy or still starting: try again later.",
}
