"""Where a server of describing models lies: on this machine or not, and how it is written down.

`ServerAddress.parse` is the only place that takes an address apart: what it lets through is what is connected to.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from napari_mmlnb.errors import RequestError

KEY_VARIABLE = "MMLNB_SERVER_KEY"
"""Environment variable that holds a server's key."""

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class ServerAddress:
    """Where a server answers, for example "http://127.0.0.1:8000/v1".

    Parameters
    ----------
    scheme : {"http", "https"}
        Plain or encrypted.
    host : str
        Name or number.
    port : int
        Its port.
    path : str
        In front of "/chat/completions", without a slash at its end.
    """

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: str) -> ServerAddress:
        """Read an address.

        Raises
        ------
        RequestError
            If it is no http(s) address, or holds a user name, a password, a query or a fragment.
        """
        parts = _parts(text)
        return cls(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme], parts.path.rstrip("/"))

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine: "localhost" or a loopback number; no name is looked up.

        "localhost." and a number with a zone are not: what they mean is for the system to say.
        """
        if self.host == "localhost":
            return True
        try:
            return "%" not in self.host and ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def check_address(address: str, *, may_send: bool) -> None:
    """Refuse an address that tiles must not be sent to.

    Parameters
    ----------
    address : str
        For example "http://127.0.0.1:8000/v1".
    may_send : bool
        Whether the user has said that tiles may leave this machine.

    Raises
    ------
    RequestError
        If it is none (`ServerAddress.parse`), or is not this machine's while nobody has allowed that.
    """
    if not (ServerAddress.parse(address).is_loopback or may_send):
        raise RequestError(
            f"{recorded_address(address)} is not this machine: the evidence tiles would be sent there.",
            "If that is allowed for this slide, say so with --may-send.",
        )


def is_this_machine(address: str) -> bool:
    """Whether an address never leaves this machine: "localhost" or a loopback number; no name is looked up.

    Raises
    ------
    RequestError
        If it is none (`ServerAddress.parse`).
    """
    return ServerAddress.parse(address).is_loopback


def recorded_address(address: str) -> str:
    """The address as records and screens show it, with its port where one was given; empty for none.

    Raises
    ------
    RequestError
        If it is none (`ServerAddress.parse`).
    """
    if not address:
        return ""
    parts = _parts(address)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port is not None else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _parts(address: str) -> SplitResult:
    """An address taken apart; one that is refused is not repeated, since it may hold a password anywhere."""
    if any(c <= " " or not c.isprintable() for c in address):
        # Before it is taken apart, since that would drop some of them unseen.
        raise _no_address()
    try:
        parts = urlsplit(address)
        good = parts.scheme in _PORTS and (parts.port is None or parts.port > 0) and _is_host(parts.hostname or "")
    except ValueError:
        raise _no_address() from None
    if not good:
        raise _no_address()
    if parts.username is not None or parts.password is not None:
        raise RequestError(
            "The address of the server holds a user name or password, which would be written into records.",
            f"Leave it out; put a key into the environment variable {KEY_VARIABLE} instead.",
        )
    if "?" in address or "#" in address:
        raise RequestError(
            "The address of the server holds a query or fragment (? or # and what follows), which is not sent.",
            f"End it before that; put a key into the environment variable {KEY_VARIABLE} instead.",
        )
    if not parts.path.isascii() or "\\" in address:
        raise _no_address()
    return parts


def _is_host(host: str) -> bool:
    """Whether a host is a number or a name that can be looked up.

    Raises
    ------
    ValueError
        If a name has an empty or too long part.
    """
    if ":" in host:  # IPv6, a zone perhaps behind it
        return True
    host.encode("idna")
    return bool(host) and not set(host) & set("%\\")


def _no_address() -> RequestError:
    return RequestError(
        "The address of the server is none that can be used.", "Give one such as http://127.0.0.1:8000/v1."
    )
