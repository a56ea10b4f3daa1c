"""Where tiles are sent, in words: every screen and every page says the same of it."""

from __future__ import annotations

from urllib.parse import urlsplit

from napari_mmlnb.describe.address import is_this_machine
from napari_mmlnb.errors import RequestError


def sent_to(address: str) -> str:
    """An address as `recorded_address` gives it, with "unencrypted" where what is sent can be read on its way.

    Parameters
    ----------
    address : str
        Of the server; empty for none.

    Returns
    -------
    str
        Empty where there is none.
    """
    return f"{address}, unencrypted" if is_unencrypted(address) else address


def is_unencrypted(address: str) -> bool:
    """Whether this is another machine, and the way to it plain http."""
    try:
        return bool(address) and not is_this_machine(address) and urlsplit(address).scheme == "http"
    except RequestError:
        return False
