"""What is to describe the evidence in its own words, as it was chosen in the dock. No Qt here."""

from __future__ import annotations

from dataclasses import dataclass

MEASURED, OWN, SERVER, FOLDER = "measured", "own", "server", "folder"


@dataclass(frozen=True)
class DescriberChoice:
    """What a run is asked for.

    Parameters
    ----------
    describer : str or None
        By name, or a folder; None leaves it to the bundle.
    server, server_model : str
        Address, and the model that it is asked for.
    may_send : bool
        Whether the person has said that tiles may go to another machine.
    """

    describer: str | None = None
    server: str = ""
    server_model: str = ""
    may_send: bool = False
