"""Files of the Hugging Face hub: found on this machine, looked at, fetched at one commit, resumed, and checked.

Loading never goes to the network: `find_files` looks in our own cache, then in the hub's, which other programs fill.
Only `fetch`, which a person asks for, downloads. It does so into our own cache folder, since `hf_hub_download` of
huggingface_hub 2 begins an interrupted file from its first byte, and files here have gigabytes. The request itself,
with retries, redirects and the person's token, is huggingface_hub's.

Tokens are huggingface_hub's affair; nothing here reads, keeps or prints one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging import ERROR
from pathlib import Path
from typing import BinaryIO, Protocol

from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import (
    are_progress_bars_disabled,
    build_hf_headers,
    disable_progress_bars,
    enable_progress_bars,
    logging,
)

from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import BundleError, GatedModelError, HubError
from napari_mmlnb.hub_cache import hub_cache, own_cache

OnBytes = Callable[[int, int], None]
"""Takes bytes that are there, and bytes in all (0: not known)."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST_SUFFIX = ".sha256"
_PARTIAL_SUFFIX = ".partial"


class HubModel(Protocol):
    """What must be known of a model on the hub to find and fetch it: an encoder, a describing model."""

    @property
    def name(self) -> str:
        """As a person calls it."""
        ...

    @property
    def repository(self) -> str:
        """OWNER/NAME on the hub."""
        ...

    @property
    def revision(self) -> str:
        """Commit, 40 hexadecimal digits."""
        ...

    @property
    def gated(self) -> bool:
        """Whether its owner must grant access first."""
        ...

    @property
    def files(self) -> tuple[str, ...]:
        """What loading needs of the repository."""
        ...

    @property
    def file(self) -> str:
        """The one whose digest is known."""
        ...

    @property
    def sha256(self) -> str:
        """That digest; empty where nobody has stated it."""
        ...


@dataclass(frozen=True)
class RemoteFile:
    """What the hub says of a file before it is downloaded.

    Parameters
    ----------
    name : str
        In the repository.
    size : int
        Bytes, 0 where the hub does not say.
    sha256 : str
        Digest; empty for small text files, of which the hub gives none.
    """

    name: str
    size: int
    sha256: str


def find_files(facts: HubModel) -> Path | None:
    """The folder with a model's files at its revision, or None where not all of them are on this machine."""
    known = facts.repository, facts.revision
    for folder in (own_cache(*known), hub_cache(*known, facts.files)):
        if folder is not None and all((folder / name).is_file() for name in facts.files):
            return folder
    return None


def hub_digest(path: Path) -> str:
    """What the hub said of the digest of a file when it was fetched; empty where nothing is known.

    The hub's cache names large files by their digest; ours keeps it beside the file.
    """
    beside = path.with_name(path.name + _DIGEST_SUFFIX)
    known = beside.read_text(encoding="ascii").strip() if beside.is_file() else path.resolve().name
    return known if _SHA256.fullmatch(known) else ""


def list_files(name: str, repository: str, revision: str, *, gated: bool) -> tuple[str, ...]:
    """Ask the hub for the names of all files of a repository at a commit; nothing is downloaded.

    Parameters
    ----------
    name : str
        Of the model, for errors.
    repository, revision : str
        OWNER/NAME and commit.
    gated : bool
        Whether its owner must grant access first.

    Raises
    ------
    GatedModelError, HubError
        As `look_up`.
    """
    asked = _Listing(name, repository, revision, gated)
    _require_network(name)
    with _explained(asked, "the list of its files"), _quiet():
        return tuple(HfApi().list_repo_files(repository, revision=revision))


def look_up(facts: HubModel) -> tuple[RemoteFile, ...]:
    """Ask the hub for size and digest of a model's files; nothing is downloaded.

    Raises
    ------
    GatedModelError
        If its owner has not granted access.
    HubError
        If the hub cannot be reached, or does not have the file at that commit.
    """
    return tuple(_metadata(facts, name) for name in facts.files)


def fetch(facts: HubModel, remote: tuple[RemoteFile, ...], on_bytes: OnBytes) -> Path:
    """Download a model's files at its revision, going on where an earlier attempt was cut off.

    Parameters
    ----------
    facts : HubModel
        With a revision.
    remote : tuple of RemoteFile
        As `look_up` gave them.
    on_bytes : callable
        Told how far the download has come.

    Returns
    -------
    Path
        The folder that holds them.

    Raises
    ------
    GatedModelError, HubError
        As `look_up`; also if the download breaks off. What has arrived is kept for the next attempt.
    BundleError
        If what has arrived is not the file whose digest is known (it is not kept), or the cache folder cannot be
        written.
    """
    folder = own_cache(facts.repository, facts.revision)
    for file in remote:
        path = folder / file.name
        expected = (facts.sha256 if file.name == facts.file else "") or file.sha256
        if path.is_file() and (not expected or file_sha256(path) == expected):
            continue
        partial = path.with_name(path.name + _PARTIAL_SUFFIX)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _download(facts, file, partial, on_bytes)
            _accept(facts, file, partial, expected)
            if expected:
                path.with_name(path.name + _DIGEST_SUFFIX).write_text(expected + "\n", encoding="ascii")
            partial.replace(path)
        except OSError as error:
            raise BundleError(
                facts.name,
                f"{path} cannot be written: {error.strerror}.",
                "Make room or free the way there; XDG_CACHE_HOME puts caches elsewhere.",
            ) from error
    return folder


@dataclass(frozen=True)
class _Listing:
    """A model whose files are not known yet."""

    name: str
    repository: str
    revision: str
    gated: bool
    files: tuple[str, ...] = ()
    file: str = ""
    sha256: str = ""


def _require_network(name: str) -> None:
    if constants.HF_HUB_OFFLINE:
        raise HubError(name, f"{name} cannot be fetched: HF_HUB_OFFLINE forbids it.", "Unset it, then try again.")


def _metadata(facts: HubModel, name: str) -> RemoteFile:
    _require_network(facts.name)
    with _explained(facts, name):
        url = hf_hub_url(facts.repository, name, revision=facts.revision)
        metadata = get_hf_file_metadata(url)
    if metadata.commit_hash != facts.revision:
        raise HubError(
            facts.name, f"What answered for {facts.repository} does not speak as the hub does.", "Check HF_ENDPOINT."
        )
    digest = metadata.etag or ""
    return RemoteFile(name, metadata.size or 0, digest if _SHA256.fullmatch(digest) else "")


def _download(facts: HubModel, file: RemoteFile, partial: Path, on_bytes: OnBytes) -> None:
    there = partial.stat().st_size if partial.is_file() else 0
    if file.size and there > file.size:
        partial.unlink()
        there = 0
    with _explained(facts, file.name), _quiet(), partial.open("ab") as out:
        http_get(
            hf_hub_url(facts.repository, file.name, revision=facts.revision),
            _Counted(out, file.size, on_bytes),  # type: ignore[arg-type]  # the three methods that it calls
            resume_size=there,
            headers=build_hf_headers(),
            expected_size=file.size or None,
        )


def _accept(facts: HubModel, file: RemoteFile, partial: Path, expected: str) -> None:
    if not expected or file_sha256(partial) == expected:
        return
    partial.unlink()
    raise BundleError(
        facts.name,
        f"What the hub gave as {file.name} of {facts.repository} is not the file that is known for this revision (its "
        "checksum differs); it was thrown away.",
        "Try again; if it happens again, do not use this source.",
    )


class _Counted:
    """A file that tells how much has been written to it."""

    def __init__(self, file: BinaryIO, total: int, on_bytes: OnBytes) -> None:
        self._file = file
        self._total = total
        self._on_bytes = on_bytes

    def write(self, data: bytes) -> int:
        """Write and tell."""
        written = self._file.write(data)
        self._on_bytes(self._file.tell(), self._total)
        return written

    def tell(self) -> int:
        """Where it is."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go elsewhere: the hub's client begins anew where a server cannot go on."""
        return self._file.seek(offset, whence)

    def truncate(self, size: int | None = None) -> int:
        """Cut off."""
        return self._file.truncate(size)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without huggingface_hub's own bars and warnings: what a person sees comes from the command."""
    level, without_bars = logging.get_verbosity(), are_progress_bars_disabled()
    logging.set_verbosity(ERROR)
    if not without_bars:
        disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if not without_bars:
            enable_progress_bars()


@contextmanager
def _explained(facts: HubModel, name: str) -> Iterator[None]:
    """huggingface_hub's errors as ours. Their own texts are not passed on: they hold requests and their headers."""
    repository = facts.repository
    try:
        yield
    except GatedRepoError as error:
        raise GatedModelError(facts.name, repository, logged_in=_status(error) != _UNAUTHORISED) from None
    except RevisionNotFoundError:
        raise HubError(
            facts.name, f"{repository} has no revision {facts.revision}.", "Check the commit after the @."
        ) from None
    except EntryNotFoundError:
        raise HubError(facts.name, f"{repository} has no file {name} at revision {facts.revision}.") from None
    except RepositoryNotFoundError as error:
        raise _refused(facts, _status(error)) from None
    except HfHubHTTPError as error:
        raise _refused(facts, _status(error)) from None
    except (FileMetadataError, HFValidationError):
        raise HubError(
            facts.name, f"What answered for {repository} does not speak as the hub does.", "Check HF_ENDPOINT."
        ) from None
    except OfflineModeIsEnabled:
        raise HubError(facts.name, f"{facts.name} cannot be fetched: offline mode is on.") from None
    except Exception as error:
        if not _of_the_network(error):
            raise
        raise HubError(
            facts.name,
            f"The hub could not be reached, or broke off, for {name} of {repository} ({type(error).__name__}).",
            "Check the network and try again: a download goes on where it stopped.",
        ) from None


_UNAUTHORISED = 401
_FORBIDDEN = 403


def _refused(facts: HubModel, status: int) -> BundleError:
    if status in (_UNAUTHORISED, _FORBIDDEN) and facts.gated:
        return GatedModelError(facts.name, facts.repository, logged_in=status != _UNAUTHORISED)
    if status in (_UNAUTHORISED, _FORBIDDEN):
        return HubError(
            facts.name,
            f"The hub refuses {facts.repository} (HTTP {status}).",
            "A stored token may be invalid: hf auth login, or hf auth logout.",
        )
    return HubError(facts.name, f"The hub does not give {facts.repository} (HTTP {status}).", "Try again later.")


def _status(error: HfHubHTTPError) -> int:
    return int(getattr(error.response, "status_code", 0))


def _of_the_network(error: Exception) -> bool:
    """Whether the way to the hub failed, whichever HTTP client huggingface_hub uses; a full disk is another matter.

    A file that is too short is an OSError of huggingface_hub's, without an error number.
    """
    if isinstance(error, OSError):
        return error.errno is None or isinstance(error, (ConnectionError, TimeoutError))
    return type(error).__module__.split(".")[0] in {"httpx", "httpx2", "httpcore", "httpcore2"}
