"""Exit codes, the one line on stderr, and a help that answers at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from napari_mmlnb import __version__
from napari_mmlnb.cli import main as cli
from napari_mmlnb.errors import OutputError, RunCancelledError, SlideReadError


@pytest.fixture
def command_that(monkeypatch):
    """Put one command, ``act``, in the place of all; it does what it is given."""

    def install(action):
        @click.command()
        def act():
            return action()

        module = type(sys)("napari_mmlnb_test_command")
        module.command = act
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(cli, "COMMANDS", {"act": cli.CommandFacts(module.__name__, "Act.")})

    return install


def raising(error):
    def action():
        raise error

    return action


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_is_listed_with_what_it_says_of_itself(name, capsys):
    assert cli.run(["--help"]) == 0
    listing = capsys.readouterr().out
    command = cli.main.get_command(click.Context(cli.main), name)
    assert command is not None
    assert command.name == name
    assert f"  {name} " in listing
    assert cli.COMMANDS[name].summary in listing
    assert cli.run([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: mmlnb {name}")


def test_no_arguments_means_help(capsys):
    assert cli.run([]) == 0
    assert "classify" in capsys.readouterr().out


def test_version(capsys):
    assert cli.run(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom napari_mmlnb.cli.main import run\nassert run(['--help']) == 0\n"
        "heavy = {'torch', 'timm', 'numpy', 'napari', 'qtpy', 'tifffile', 'rich', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["classify", "demo", "train"])
def test_command_help_does_not_import_torch(name):
    code = (
        f"import sys\nfrom napari_mmlnb.cli.main import run\nassert run(['{name}', '--help']) == 0\n"
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "nonsense"),
        (["classify"], "SLIDE"),
        (["classify", "a.svs"], "--out"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_2(arguments, says, capsys):
    assert cli.run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert says in err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SlideReadError("a.svs", "It is\nbroken.", "Copy it\nagain."), 2),
        (OutputError("/x", "it is read-only"), 2),
        (RunCancelledError(), 130),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
    ],
)
def test_known_errors_are_one_line(error, code, command_that, capsys):
    command_that(raising(error))
    assert cli.run(["act"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("mmlnb: ")
    assert "Traceback" not in err
    if isinstance(error, SlideReadError):
        assert "It is broken. Copy it again." in err


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (3, 3)])
def test_a_command_may_choose_its_exit_code(returned, code, command_that):
    command_that(lambda: returned)
    assert cli.run(["act"]) == code


def test_context_exit_is_honoured(command_that):
    command_that(lambda: click.get_current_context().exit(3))
    assert cli.run(["act"]) == 3


def test_our_fault_goes_to_a_log_file_whose_path_is_printed(command_that, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "_log_folder", lambda: tmp_path / "not" / "there" / "yet")
    command_that(raising(ZeroDivisionError("a bug of ours")))
    assert cli.run(["act"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    log = Path(err.strip().rsplit(" ", 1)[1])
    assert log.parent == tmp_path / "not" / "there" / "yet"
    text = log.read_text()
    assert "Traceback" in text
    assert "a bug of ours" in text


def test_a_log_folder_that_cannot_be_written_is_replaced(command_that, capsys, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(cli, "_log_folder", lambda: tmp_path / "file" / "logs")
    command_that(raising(ZeroDivisionError("a bug of ours")))
    assert cli.run(["act"]) == 1
    log = Path(capsys.readouterr().err.strip().rsplit(" ", 1)[1])
    assert "a bug of ours" in log.read_text()


def test_a_reader_that_leaves_early_is_no_error():
    command = f"'{sys.executable}' -m napari_mmlnb.cli.main --help; echo code $? >&2"
    done = subprocess.run(
        ["bash", "-c", f"({command}) | true"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr.strip() == "code 0"
