"""`mmlnb models`: which bundles, encoders and describers there are, whether they work here, and how to get one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_mmlnb.errors import BundleError, MmlnbError, RequestError

if TYPE_CHECKING:
    from napari_mmlnb.bundles.hub import RemoteFile
    from napari_mmlnb.bundles.spec import BundleSpec
    from napari_mmlnb.describe.base import DescriberFacts
    from napari_mmlnb.describe.profiles import VlmProfile
    from napari_mmlnb.models.encoders.facts import EncoderFacts

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")


@dataclass(frozen=True)
class Row:
    """One line of `mmlnb models list`.

    Parameters
    ----------
    kind : str
        "bundle", "encoder" or "describer".
    gated : bool
        Whether its owner must grant access first.
    here : bool
        Whether all that it needs is on this machine.
    supported : bool
        Whether this program loads it.
    revision : str
        Of the hub's repository; "not pinned" where it must be given.
    note : str
        What it is, or why it is not supported.
    """

    kind: str
    name: str
    licence: str
    gated: bool
    here: bool
    supported: bool = True
    source: str = ""
    revision: str = ""
    dimension: int = 0
    note: str = ""


@click.group(name="models", short_help="List, check and fetch models.")
def command() -> None:
    """Bundles, encoders and describers: which there are, whether they work here, and how to get one."""


@command.command(name="list")
@json_option
def list_models(as_json: bool) -> None:
    """List bundles, encoders and describers with licence, gate, and whether the weights are on this machine."""
    rows = model_rows()
    if as_json:
        plural = {"bundle": "bundles", "encoder": "encoders", "describer": "describers"}
        click.echo(
            json.dumps(
                {names: [asdict(row) for row in rows if row.kind == kind] for kind, names in plural.items()},
                indent=2,
                ensure_ascii=False,
            )
        )
        return
    for line in row_lines(rows):
        click.echo(line)


@command.command(name="check")
@click.argument("name")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@json_option
def check(name: str, device: str, as_json: bool) -> None:
    """Load NAME and let it answer once: an encoder one patch, a bundle its self-test.

    NAME is a bundle or its folder, an encoder, NAME@COMMIT, timm:NAME@COMMIT, or the folder of an encoder.
    """
    from napari_mmlnb.cli.progress import stdout_kept_clean

    with stdout_kept_clean():
        facts = checked(name, device)
    if as_json:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    for key, value in facts.items():
        if value == "":
            continue
        click.echo(f"{key.replace('_', ' '):<14}{value}")


@command.command(name="attach")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("describer", type=click.Path(path_type=Path))
@click.option("--name", "called", required=True, help="What the describing model is called.")
@click.option("--licence", default="", help="Of its weights, where describing.json beside it does not say.")
@click.option("--prompt", default="", help="What it is asked; by default what it was trained with.")
@click.option("--steady", is_flag=True, help="The likeliest words each time, in place of the paper's drawing of lots.")
def attach(bundle: Path, describer: Path, called: str, licence: str, prompt: str, steady: bool) -> None:
    """Put the describing model in the folder DESCRIBER into the bundle in the folder BUNDLE, as its own.

    It is asked what `describing.json` beside it says that it was trained with, as mmlnb finetune-vlm writes it.
    """
    from napari_mmlnb.bundles.describer_files import attach_describer, describing_of
    from napari_mmlnb.describe.prompt import STEADY

    spec = describing_of(describer, called, licence, prompt, STEADY if steady else None)
    attach_describer(bundle, describer, spec)
    click.echo(f"{called} ({spec.licence}) is now the describing model of {bundle}. It is asked: {spec.prompt}")


@command.command(name="fetch")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Accept the licence and download. Without it nothing is downloaded.")
@json_option
def fetch_model(name: str, yes: bool, as_json: bool) -> None:
    """Download encoder NAME, or describing model NAME@COMMIT, at its pinned revision, and check it.

    Size and licence are said first. A download that broke off goes on where it stopped.
    """
    from napari_mmlnb.describe.profiles import is_profile

    if is_profile(name):
        _fetch_describing_model(name, yes, as_json)
    else:
        _fetch_encoder(name, yes, as_json)


def _fetch_encoder(name: str, yes: bool, as_json: bool) -> None:
    from napari_mmlnb.bundles.encoder_source import encoder_facts, is_here, require_revision
    from napari_mmlnb.bundles.hub import fetch, look_up
    from napari_mmlnb.cli.progress import progress_line

    facts = encoder_facts(name)
    if not facts.repository:
        raise RequestError(f"{name} is not on the hub: its weights come from {facts.source}.", "There is no fetching.")
    require_revision(facts)
    if is_here(facts) and _intact(facts):
        _say_fetched(facts, (), "already here", as_json)
        return
    remote = look_up(facts)
    _ask_for_yes(name, offer_lines(facts, remote), yes, as_json)
    with progress_line() as show:
        fetch(facts, remote, lambda done, total: show(f"Fetching {facts.repository}", done, total))
    _say_fetched(facts, remote, "fetched", as_json)


def _fetch_describing_model(name: str, yes: bool, as_json: bool) -> None:
    from napari_mmlnb.bundles.hub import fetch, look_up
    from napari_mmlnb.bundles.vlm_source import vlm_download
    from napari_mmlnb.cli.progress import progress_line
    from napari_mmlnb.describe.profiles import pinned_profile, profile_folder

    profile = pinned_profile(name)
    folder, size, state = profile_folder(profile), 0, "already here"
    if folder is None:
        download = vlm_download(profile)
        remote = look_up(download)
        size, state = sum(file.size for file in remote), "fetched"
        offer = [*offer_lines(profile, remote), f"Asks for: {profile.terms}", f"Memory:  {_memory_line(profile)}"]
        _ask_for_yes(name, offer, yes, as_json)
        with progress_line() as show:
            folder = fetch(download, remote, lambda done, total: show(f"Fetching {profile.repository}", done, total))
    _say(profile, folder, size or sum(file.stat().st_size for file in folder.iterdir()), state, as_json)


def _memory_line(profile: VlmProfile) -> str:
    half, quarter = (profile.memory(precision) / 1e9 for precision in ("bfloat16", "4-bit"))
    return f"about {half:.1f} GB on a graphics card, {quarter:.1f} GB in 4 bits, {2 * half:.1f} GB without a card"


def _ask_for_yes(name: str, offer: list[str], yes: bool, as_json: bool) -> None:
    for line in offer:
        click.echo(line, err=as_json)
    if not yes:
        raise RequestError(
            "Nothing was downloaded.", f"To accept the licence and download: mmlnb models fetch {name} --yes"
        )


def model_rows() -> tuple[Row, ...]:
    """All that there is, in the order bundles, encoders, encoders that are not supported, describers.

    Raises
    ------
    BundleError
        If a shipped bundle's `bundle.yaml` is damaged.
    """
    from napari_mmlnb.bundles.encoder_source import is_here
    from napari_mmlnb.bundles.registry import available_bundles
    from napari_mmlnb.describe.registry import describers
    from napari_mmlnb.models.encoders.registry import ENCODERS, UNSUPPORTED

    rows = [
        Row("bundle", b.name, b.licence, gated=False, here=True, source=f"folder:{b.path}", note=b.summary)
        for b in available_bundles()
    ]
    rows += [
        Row(
            "encoder",
            facts.name,
            facts.licence,
            gated=facts.gated,
            here=is_here(facts),
            source=facts.source,
            revision=facts.revision or ("not pinned" if facts.repository else ""),
            dimension=facts.dimension,
            note=facts.summary,
        )
        for facts in ENCODERS
    ]
    rows += [
        Row("encoder", u.name, u.licence, u.gated, here=False, supported=False, source=u.source, note=u.reason)
        for u in UNSUPPORTED
    ]
    rows += [_describer_row(facts) for facts in describers()]
    return tuple(rows)


def _describer_row(facts: DescriberFacts) -> Row:
    """A model of the hub is here or not by its commit, which is not known before it is given."""
    from importlib.util import find_spec

    from napari_mmlnb.describe.profiles import PROFILES

    note = facts.summary + (" Tiles are sent to it." if facts.sends_to else "")
    if facts.name not in PROFILES:
        here = not facts.extra or find_spec(facts.extra) is not None
        source = facts.extra and f"extra:{facts.extra}"
        return Row("describer", facts.name, facts.licence, gated=False, here=here, source=source, note=note)
    profile = PROFILES.get(facts.name)
    return Row(
        "describer",
        profile.name,
        profile.licence,
        gated=profile.gated,
        here=False,
        source=profile.source,
        revision="not pinned",
        note=f"{note} {profile.remark}",
    )


def row_lines(rows: tuple[Row, ...]) -> list[str]:
    """The same for people, a line a model."""
    name = max(len(row.name) for row in rows)
    licence = max(len(row.licence) for row in rows)
    lines = []
    for row in rows:
        state = "here" if row.here else "not here"
        if not row.supported:
            state = "unsupported"
        elif row.revision == "not pinned":
            state += ", needs @COMMIT"
        gate = "gated" if row.gated else "open"
        lines.append(f"{row.kind:<10} {row.name:<{name}} {row.licence:<{licence}} {gate:<5} {state:<24} {row.note}")
    return lines


def checked(name: str, device: str) -> dict[str, Any]:
    """Load a model, ask it once, and say what it is.

    Raises
    ------
    MmlnbError
        If it is not there, does not load, or fails.
    """
    import torch

    from napari_mmlnb.bundles.encoder_weights import load_encoder
    from napari_mmlnb.bundles.registry import available_bundles, load_bundle
    from napari_mmlnb.bundles.selftest import run_selftest
    from napari_mmlnb.bundles.spec import SPEC_FILE
    from napari_mmlnb.inference.bundle_runtime import bundle_runtime, runtime_failure
    from napari_mmlnb.inference.device import choose_device

    chosen = choose_device(device).device
    runtime, describer = "", ""
    if name in {b.name for b in available_bundles()} or (Path(name) / SPEC_FILE).is_file():
        bundle = load_bundle(name)
        run_selftest(bundle, chosen)
        # A run does not ask again what was passed once; who checks wants to know how it is now.
        computes = bundle_runtime(bundle, chosen).runtime
        failure = runtime_failure(bundle, chosen, computes)
        if failure:
            raise BundleError(bundle.spec.name, failure, "Do not trust this model here; try --runtime torch-float32.")
        runtime = computes.facts.name
        kind, encoder, digest, licence = "bundle", bundle.encoder, bundle.weights_sha256, bundle.spec.licence
        describer = _describer_of(bundle.spec)
    else:
        encoder = load_encoder(name)
        kind, digest, licence = "encoder", encoder.facts.sha256, encoder.facts.licence
    facts = encoder.facts
    side = facts.input_px
    patch = torch.arange(side * side * 3, dtype=torch.int64).remainder(251).to(torch.uint8).reshape(1, side, side, 3)
    with torch.inference_mode():
        vector = encoder.to(chosen)(patch.to(chosen)).cpu()[0]
    if not torch.isfinite(vector).all():
        raise MmlnbError(f"{name} gives values that are not finite on {chosen.type}.", "Try --device cpu.")
    return {
        "kind": kind,
        "name": name,
        "encoder": facts.name,
        "dimension": len(vector),
        "device": chosen.type,
        "precision": facts.precision,
        "runtime": runtime,
        "pooling": facts.pooling.name,
        "input_px": side,
        "licence": licence,
        "source": facts.source,
        "revision": facts.revision,
        "sha256": digest,
        "describer": describer,
    }


def _describer_of(spec: BundleSpec) -> str:
    """What describes by itself in runs with a bundle; loading has checked the files of its own model."""
    if spec.describing is None:
        return spec.describer
    files = f"{len(spec.describing.files)} files with the digests of bundle.yaml"
    return f"{spec.describer}, and {spec.describing.name} of its own ({spec.describing.licence}; {files})"


def offer_lines(facts: EncoderFacts | VlmProfile, remote: tuple[RemoteFile, ...]) -> list[str]:
    """What a person must know before saying yes."""
    size = sum(file.size for file in remote)
    return [
        f"{facts.name}: {facts.repository} at {facts.revision}",
        f"Licence: {facts.licence}" + (", gated: its terms on the hub are part of it" if facts.gated else ""),
        f"Terms:   https://huggingface.co/{facts.repository}",
        f"Size:    {size / 1e6:.1f} MB" if size else "Size:    the hub does not say",
    ]


def _say_fetched(facts: EncoderFacts, remote: tuple[RemoteFile, ...], state: str, as_json: bool) -> None:
    from napari_mmlnb.bundles.encoder_source import weights_path

    path = weights_path(facts)
    _say(facts, path.parent, sum(file.size for file in remote) or path.stat().st_size, state, as_json)


def _say(facts: EncoderFacts | VlmProfile, folder: Path, size: int, state: str, as_json: bool) -> None:
    if as_json:
        told = {
            "name": facts.name,
            "state": state,
            "repository": facts.repository,
            "revision": facts.revision,
            "licence": facts.licence,
            "gated": facts.gated,
            "bytes": size,
            "folder": str(folder),
        }
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    click.echo(f"{facts.name} is {state}: {folder}")


def _intact(facts: EncoderFacts) -> bool:
    """Whether the weights that are here are those that are known."""
    from napari_mmlnb.bundles.encoder_source import weights_path
    from napari_mmlnb.bundles.hub import hub_digest
    from napari_mmlnb.digest import file_sha256

    path = weights_path(facts)
    known = facts.sha256 or hub_digest(path)
    return not known or file_sha256(path) == known
