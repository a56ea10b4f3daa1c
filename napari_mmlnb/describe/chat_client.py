"""A client of OpenAI-compatible chat servers, of the standard library alone: one question, an answer word by word.

It connects to the address that it was given and to no other: no proxy, no redirect. Every wait has an end: a watch
shuts the connection when the time is over, whatever the server is doing then.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any

from napari_mmlnb.describe.address import KEY_VARIABLE, ServerAddress
from napari_mmlnb.errors import DescriberError, ServerBusyError, ServerError

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
    first_word : float or None
        For the first word of an answer. None for as long as the whole may take: some servers load their model only
        then, and of those that do not stream the first word is the whole answer.
    listing : float
        For the list of a server's models.
    busy : float
        Before a busy server is asked again that does not say when.
    """

    connect: float = 5.0
    first_word: float | None = None
    listing: float = 60.0
    busy: float = 5.0


@dataclass(frozen=True)
class Delta:
    """A piece of an answer.

    Parameters
    ----------
    text : str
        What is added.
    finished : str
        Why the answer ends here: "stop", or what else the server says, such as "length" or "content_filter"; "time"
        where we stopped it. Empty where it goes on.
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

    def only_model(self, seconds: float) -> str:
        """The one model that the server lists.

        Parameters
        ----------
        seconds : float
            For its answer, at most; `ServerLimits.listing` where that is less.

        Raises
        ------
        ServerError
            If it cannot be asked, or lists none or several.
        """
        with self._asked("GET", "/models", None, min(self._limits.listing, seconds)) as (response, watch):
            listed = self._json(self._whole(response, watch))
        entries = listed.get("data") if isinstance(listed, dict) else None
        names = (
            [str(e["id"]) for e in entries if isinstance(e, dict) and "id" in e] if isinstance(entries, list) else []
        )
        if len(names) != 1:
            what = f"lists {len(names)} models" + (f" ({', '.join(names[:5])})" if names else "")
            problem = f"The server at {self.address} {_without_key(what)}, and none was asked for."
            raise self._error(problem, "Name the model.", lasting=True)
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
        ServerBusyError
            If the server says that it may answer later.
        ServerError
            If the server cannot be reached, does not begin in time, breaks off, refuses, or gives no such answer.
        """
        body = json.dumps({**question, "stream": True}).encode()
        with self._asked("POST", "/chat/completions", body, seconds) as (response, watch):
            said = False
            try:
                for delta in self._deltas(response, watch):
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
        connection = kind(self.address.host, self.address.port, timeout=min(self._limits.connect, seconds))
        headers = {"Accept": "text/event-stream, application/json", "Connection": "close"} | self._key()
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            self._connect(connection)
        except BaseException:
            connection.close()
            raise
        watch = _Watch(connection, self._limits.first_word, seconds)
        try:
            connection.request(method, self.address.path + path, body, headers)
            response = connection.getresponse()
            self._check(response)
            yield response, watch
        except _NothingSaidError:
            raise self._error(
                f"The server at {self.address} answered nothing.", "Is it one that speaks as OpenAI's does?"
            ) from None
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            raise self._broken(watch, error) from None
        finally:
            watch.end()
            connection.close()

    def _connect(self, connection: HTTPConnection) -> None:
        try:
            connection.connect()
        except TimeoutError:
            raise self._error(
                f"The server at {self.address} does not take connections.",
                "Is it running, and is the address right?",
                lasting=True,
            ) from None
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise self._error(
                f"There is no server at {self.address} ({why}).",
                "Start it, or give its address: vLLM and transformers serve answer on port 8000, llama.cpp on 8080, "
                "Ollama on 11434, LM Studio on 1234, each under /v1.",
                lasting=True,
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
                lasting=True,
            )
        problem = f"The server at {self.address} answered HTTP {status}{self._told(response.read(100_000))}."
        remedy = _REMEDIES.get(status, _LOG)
        if status in _BUSY:
            raise ServerBusyError(_NAME, str(self.address), problem, remedy, _retry_after(response))
        raise self._error(problem, remedy, lasting=status in _LASTING)

    def _deltas(self, response: HTTPResponse, watch: _Watch) -> Iterator[Delta]:
        """An answer as server-sent events, or, of servers that do not stream, in one piece."""
        if "text/event-stream" not in (response.getheader("Content-Type") or ""):
            whole = self._whole(response, watch)
            if whole.strip():
                yield self._piece(self._json(whole), "message")
            return
        for line in self._lines(response):
            if watch.over:  # a flood comes faster than the connection can be shut
                return
            data = line.strip().removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
            if data and data != b"[DONE]":
                yield self._piece(self._json(data), "delta")
            elif data:
                yield Delta("", "stop")

    def _lines(self, response: HTTPResponse) -> Iterator[bytes]:
        """The lines of an answer as they come; of the last one the end may be missing."""
        taken = 0
        rest = b""
        while block := response.read1(65536):
            taken += len(block)
            if taken > LONGEST_ANSWER:
                raise self._error(f"The server at {self.address} does not come to an end.", "Look into its log.")
            *lines, rest = (rest + block).split(b"\n")
            yield from lines
        yield rest

    def _whole(self, response: HTTPResponse, watch: _Watch) -> bytes:
        """An answer in one piece; one that the watch has cut short is none."""
        whole = response.read(LONGEST_ANSWER)
        if watch.over:
            raise TimeoutError
        return whole

    def _piece(self, event: Any, kind: str) -> Delta:
        if isinstance(event, dict) and event.get("error"):  # some servers send a null beside a good answer
            raise self._error(f"The server at {self.address} failed{self._quoted(event['error'])}.", _LOG)
        try:
            choice = event["choices"][0] if event["choices"] else {}
            content = _words((choice.get(kind) or {}).get("content"))
            reason = choice.get("finish_reason") or ("stop" if kind == "message" else "")
        except (KeyError, TypeError, AttributeError, IndexError):
            raise self._error(
                f"The server at {self.address} answered something else than a chat.", _WRONG_KIND
            ) from None
        return Delta(content, str(reason))

    def _json(self, data: bytes) -> Any:
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise self._error(f"The server at {self.address} answered something else than JSON.", _WRONG_KIND) from None

    def _told(self, body: bytes) -> str:
        try:
            read = json.loads(body)
        except (ValueError, RecursionError):
            return ""
        return self._quoted(read.get("error", read.get("detail", "")) if isinstance(read, dict) else "")

    def _quoted(self, error: Any) -> str:
        """What a server says of its failure: one short line, without our key, should it be repeated there."""
        text = error.get("message", "") if isinstance(error, dict) else error
        line = "".join(c if c.isprintable() else " " for c in str(text))
        line = " ".join(_without_key(line).split())[:200].rstrip(".")
        return f" ({line})" if line else ""

    def _key(self) -> dict[str, str]:
        key = _server_key()
        if not key:
            return {}
        if not (key.isascii() and key.isprintable()):
            raise DescriberError(_NAME, f"What {KEY_VARIABLE} holds is no key.", "Set it again.")
        return {"Authorization": f"Bearer {key}"}

    def _broken(self, watch: _Watch, error: Exception) -> ServerError:
        if watch.over:
            return self._error(
                f"The server at {self.address} did not answer within {round(watch.seconds, 1):g} seconds.",
                "It may be loading its model, or be too slow: try again, or give it more time (--describer-seconds).",
            )
        return self._error(
            f"The server at {self.address} broke off its answer ({type(error).__name__}).", "Look into its log."
        )

    def _error(self, problem: str, remedy: str, *, lasting: bool = False) -> ServerError:
        return ServerError(_NAME, str(self.address), problem, remedy, lasting=lasting)


def _words(content: Any) -> str:
    """The text of an answer, which some servers give in parts."""
    if isinstance(content, list):
        return "".join(_words(part.get("text")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _retry_after(response: HTTPResponse) -> float | None:
    """Seconds after which a busy server asks to be asked again: a number, or a date."""
    told = (response.getheader("Retry-After") or "").strip()
    if told.isascii() and told.isdigit():
        return float(told)
    try:
        return max(parsedate_to_datetime(told).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return None


def _server_key() -> str:
    return os.environ.get(KEY_VARIABLE, "").strip()


def _without_key(text: str) -> str:
    """What a server says without our key: neither the whole nor any piece of it of eight characters or more."""
    key = _server_key()
    size = min(len(key), _TELLING_PIECE)
    if not size:
        return text
    pieces = {key[i : i + size] for i in range(len(key) - size + 1)}
    hidden = {i + j for i in range(len(text)) if text[i : i + size] in pieces for j in range(size)}
    kept = (c if i not in hidden else "" if i - 1 in hidden else _KEY for i, c in enumerate(text))
    return "".join(kept)


class _NothingSaidError(ValueError):
    """A response without a word."""


class _Watch:
    """Shuts a connection when the first word, or the whole answer, takes too long."""

    def __init__(self, connection: HTTPConnection, first: float | None, whole: float) -> None:
        self._socket = connection.sock
        self.over = False
        self.seconds = whole
        waits = {"first": whole if first is None else min(first, whole), "whole": whole}
        self._timers = {name: threading.Timer(wait, self._shut, (wait,)) for name, wait in waits.items()}
        for timer in self._timers.values():
            timer.daemon = True
            timer.start()

    def first_word_came(self) -> None:
        """From now on only the whole answer's time counts."""
        self._timers["first"].cancel()

    def end(self) -> None:
        """Nothing is waited for any more."""
        for timer in self._timers.values():
            timer.cancel()

    def _shut(self, seconds: float) -> None:
        self.over = True
        self.seconds = seconds
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


_OK = 200
_REDIRECTS = (300, 399)
_BUSY = frozenset((429, 503))
_LASTING = frozenset((401, 403, 404))
_KEY = "[key]"
_TELLING_PIECE = 8
"""Characters of a key that must not be seen."""
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
