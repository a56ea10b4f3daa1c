"""Why something at a URL could not be had."""

from __future__ import annotations


class RemoteError(Exception):
    """Why a range could not be had.

    Parameters
    ----------
    reason : str
        The rest of a sentence that begins with the name of the slide; holds no URL.
    again : bool
        Whether it may go better the next time.
    missing : bool
        Whether there is no such file.
    refused : bool
        Whether it may not be read. Some stores say so of a file that they do not have.
    remedy : str
        What to do.
    """

    def __init__(
        self,
        reason: str,
        *,
        again: bool = False,
        missing: bool = False,
        refused: bool = False,
        remedy: str = "Check the address and the connection.",
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again
        self.missing = missing
        self.refused = refused
        self.remedy = remedy
