"""Where a server of describing models lies: on this machine or not, and how it is written down."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from napari_mmlnb.errors import RequestError


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
        If it is no http(s) address, holds a password, or is not this machine's while nobody has allowed that.
    """
    parts = _parts(address)
    if parts.username is not None or parts.password is not None:
        raise RequestError(
            "The address of the server holds a user name or password, which would be written into records.",
            "Leave it out; give a key in the environment instead.",
        )
    if not may_send and not is_this_machine(address):
        raise RequestError(
            f"{recorded_address(address)} is not this machine: the evidence tiles would be sent there.",
            "If that is allowed for this slide, say so with --may-send.",
        )


def is_this_machine(address: str) -> bool:
    """Whether an address never leaves this machine: "localhost" or a loopback number; no name is looked up.

    Raises
    ------
    RequestError
        If it is no http(s) address.
    """
    host = _parts(address).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def recorded_address(address: str) -> str:
    """The address as records and screens show it: without user, password, query or fragment; empty for none.

    Raises
    ------
    RequestError
        If it is no http(s) address.
    """
    if not address:
        return ""
    parts = _parts(address)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port is not None else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _parts(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        # It is not repeated: what cannot be taken apart may hold a password anywhere.
        raise RequestError(
            "The address of the server is none that can be used.", "Give one such as http://127.0.0.1:8000/v1."
        )
    return parts
