"""Typed errors: what is wrong, what to do about it, and how the command line leaves.

Every error a person can cause or cure derives from `MmlnbError`. Its text is one sentence on the problem and one on the
remedy; the fields of the subclass carry what a caller needs to act on it without parsing that text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Place(Protocol):
    """Where a slide lies: a path, or a URL whose text holds no credentials."""

    @property
    def name(self) -> str:
        """Its last part."""
        ...


class MmlnbError(Exception):
    """Something that a person can understand and act on.

    Parameters
    ----------
    problem : str
        What is wrong, as a full sentence.
    remedy : str
        What to do about it, as a full sentence.
    """

    exit_code = 2

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem = problem
        self.remedy = remedy


class SlideError(MmlnbError):
    """A slide cannot be used.

    Parameters
    ----------
    path : Path, RemoteUrl or str
        The slide in question.
    """

    def __init__(self, path: Place | str, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.path: Place = Path(path) if isinstance(path, str) else path


class SlideNotFoundError(SlideError):
    """There is no such file or folder."""

    def __init__(self, path: Place | str) -> None:
        super().__init__(path, f"There is no slide at {path}.", "Check the path.")


class SlideFormatError(SlideError):
    """The file is there, but no backend knows its format."""

    def __init__(self, path: Place | str, opens: str) -> None:
        super().__init__(path, f"{path} is not a whole slide that this program can open.", f"It opens {opens}.")


class SlideReadError(SlideError):
    """The format is known, but the file cannot be opened or read: damaged, incomplete, or gone."""


class SlideKindError(SlideReadError):
    """The file is in order, but it is no RGB slide: fluorescence, a stack, a plate, labels. No backend helps."""


class TileReadError(SlideReadError):
    """One region of a slide cannot be decoded. Callers count it; they never paint it white."""


class ColourProfileError(MmlnbError):
    """A slide's colour profile cannot be used; its pixels can, as they are stored."""


class MppMissingError(SlideError):
    """The file does not say how many micrometres a pixel is, and nobody has told us."""

    def __init__(self, path: Place | str, why: str = "the file does not say how large its pixels are") -> None:
        super().__init__(
            path,
            f"The scale of {path} is unknown: {why}.",
            "Give it in micrometres per pixel, for example --mpp 0.25.",
        )


class ImplausibleMppError(SlideError):
    """A stated scale lies outside anything that a slide scanner makes."""

    def __init__(self, path: Place | str, mpp: tuple[float, float]) -> None:
        super().__init__(
            path,
            f"A scale of {mpp[0]:g} x {mpp[1]:g} micrometres per pixel is not plausible for {path}.",
            "Give the true one, for example --mpp 0.25.",
        )
        self.mpp = mpp


class BundleError(MmlnbError):
    """A model bundle cannot be used: unknown, incomplete, altered, or failing its self-test."""

    def __init__(self, bundle: str, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.bundle = bundle


class FeatureError(BundleError):
    """An encoder gave values that are not finite: what is made of them would be no answer.

    Parameters
    ----------
    encoder, runtime : str
        What computed.
    """

    def __init__(self, encoder: str, runtime: str) -> None:
        super().__init__(
            encoder,
            f"The encoder {encoder} gave values that are not finite with {runtime}.",
            "Its weights are damaged, or this device computes wrongly: try --runtime torch-float32 --device cpu; if "
            "that fails too, fetch the model again.",
        )
        self.runtime = runtime


class WeightsMissingError(BundleError):
    """The weights of an encoder are not on this machine."""

    def __init__(self, name: str, source: str) -> None:
        super().__init__(
            name,
            f"The weights of {name} ({source}) are not on this machine.",
            f"Fetch them with: mmlnb models fetch {name}",
        )


class RevisionMissingError(BundleError):
    """An encoder on the hub has no pinned commit, and none was given."""

    def __init__(self, name: str, repository: str) -> None:
        super().__init__(
            name,
            f"The revision of {name} ({repository}) is not pinned and must be given.",
            f"Take the commit (40 digits and letters a to f) from https://huggingface.co/{repository}/commits/main and "
            f"write {name}@COMMIT.",
        )


class GatedModelError(BundleError):
    """The owner of a model grants access person by person, and has not granted it here.

    Parameters
    ----------
    name, repository : str
        The encoder, and OWNER/NAME on the hub.
    logged_in : bool
        Whether the hub knew who asked (and refused), or did not know.
    """

    def __init__(self, name: str, repository: str, *, logged_in: bool) -> None:
        page = f"https://huggingface.co/{repository}"
        problem = (
            f"{name} is gated, and this account has not been granted access to {repository}."
            if logged_in
            else f"{name} is gated, and the hub does not know who is asking for {repository}."
        )
        remedy = (
            f"Open {page}, accept the terms and wait until they are granted; a token must be allowed to read gated "
            "repositories. Then try again."
            if logged_in
            else f"Open {page}, log in and accept the terms; then log in here with: hf auth login"
        )
        super().__init__(name, problem, remedy)
        self.repository = repository
        self.logged_in = logged_in


class HubError(BundleError):
    """The hub cannot be asked, or did not give what was asked for."""


class DescriberError(MmlnbError):
    """A describing model cannot be used, or does not answer. What else the run finds does not depend on it.

    Parameters
    ----------
    describer : str
        Its name.
    """

    def __init__(self, describer: str, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.describer = describer


class DescriberMemoryError(DescriberError):
    """A describing model needs more memory than there is.

    Parameters
    ----------
    needed, available : int
        Bytes; what is needed is an estimate.
    where : str
        "memory" or "memory of the graphics card".
    """

    def __init__(self, describer: str, needed: int, available: int, where: str, remedy: str) -> None:
        super().__init__(
            describer,
            f"{describer} needs about {needed / 1e9:.2g} GB of {where}, and {available / 1e9:.2g} GB are free.",
            remedy,
        )
        self.needed = needed
        self.available = available
        self.where = where


class SendingRefusedError(DescriberError):
    """A describer would send tiles to another machine, and nobody has said that it may.

    Parameters
    ----------
    address : str
        Where they would go.
    """

    def __init__(self, describer: str, address: str) -> None:
        super().__init__(
            describer,
            f"{address} is not this machine, and tiles of the slide would be sent there.",
            "Say that this may be done, or use a server on this machine (127.0.0.1).",
        )
        self.address = address


class ServerError(DescriberError):
    """A describing server cannot be reached, does not answer in time, or answers something else.

    Parameters
    ----------
    address : str
        Of the server.
    lasting : bool
        Whether it would be the same with every other tile, so that no other need be sent.
    """

    def __init__(self, describer: str, address: str, problem: str, remedy: str = "", *, lasting: bool = False) -> None:
        super().__init__(describer, problem, remedy)
        self.address = address
        self.lasting = lasting


class ServerBusyError(ServerError):
    """A describing server is busy or still starting, and may answer later.

    Parameters
    ----------
    wait : float or None
        Seconds after which it asks to be asked again; None where it does not say.
    """

    def __init__(self, describer: str, address: str, problem: str, remedy: str, wait: float | None) -> None:
        super().__init__(describer, address, problem, remedy)
        self.wait = wait


class UnknownNameError(MmlnbError):
    """A registry has no entry of that name.

    Parameters
    ----------
    kind : str
        What the registry holds, for example "model" or "describer".
    name : str
        What was asked for.
    known : tuple of str
        What there is.
    """

    def __init__(self, kind: str, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"There is no {kind} called {name!r}.", f"Known: {', '.join(known) or 'none'}.")
        self.kind = kind
        self.name = name
        self.known = known


class MissingExtraError(MmlnbError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed.", f"Install it with: pip install 'napari-mmlnb[{extra}]'")
        self.extra = extra


class OutputError(MmlnbError):
    """The output cannot be written. Nothing half-written is left behind."""

    def __init__(self, path: Path | str, why: str) -> None:
        super().__init__(f"Cannot write to {path}: {why}.", "Choose another place (--out).")
        self.path = Path(path)


class RequestError(MmlnbError):
    """The request itself is wrong: a malformed option, region file or configuration."""


class RunCancelledError(MmlnbError):
    """The person stopped the run. What was finished is kept by whoever asked for it."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("The run was cancelled.")
