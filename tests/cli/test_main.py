"""The group: quick to start, lazy, and the place where every error ends."""

import os
import subprocess
import sys

import click
import pytest

from batchmill.cli import main as face
from batchmill.cli.main import COMMANDS, group, outcome

HEAVY = {"pydantic", "loky", "jsonschema", "cloudpickle", "psutil", "rich", "yaml", "urllib3"}


def batchmill(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "batchmill", *arguments], capture_output=True, text=True, timeout=60, **options
    )


@pytest.mark.slow
def test_help_lists_the_commands_and_imports_nothing_heavy():
    code = (
        "import sys, contextlib\nfrom batchmill.cli.main import outcome\n"
        "code = outcome(['--help'])\n"
        "print(code, *{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    number, *modules = done.stderr.split()
    assert number == "0"
    assert not HEAVY & set(modules)
    assert all(f"  {name}" in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_there_and_summed_up_as_in_the_list(name):
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.name == name
    assert command.short_help == COMMANDS[name]


def test_version():
    done = batchmill("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "batchmill,")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rnu"], "Did you mean 'run'?"),
        (["frobnicate"], "No such command 'frobnicate'"),
        (["run"], "Missing argument 'FILE'"),
        (["run", "x.json", "--executor", "fiber"], "'fiber'"),
        (["run", "x.json", "--jobs", "0"], "1<=x<=1000"),
        (["run", "x.json", "--progress", "loud"], "'loud'"),
        (["run", "x.json", "--nonsense"], "--nonsense"),
        (["run", "x.json", "noequals"], "write NAME=VALUE"),
        (["run", "no/such/file.json"], "no/such/file.json"),
        (["validate", "no/such/file.json"], "no such file"),
        (["plan", "no/such/file.json"], "no such file"),
        (["nodes", "shel"], "did you mean 'shell'?"),
        ([], "Usage: batchmill"),
    ],
)
def test_a_wrong_call_is_explained_on_stderr_with_code_2(arguments, says, capfd):
    code = outcome(arguments)
    out, err = capfd.readouterr()
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ZeroDivisionError("boom"), 1, "fault in batchmill"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (PermissionError(13, "Permission denied", "x"), 5, "Permission denied"),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_every_error_ends_with_its_code_and_no_traceback(monkeypatch, capfd, error, code, says):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(face.group, "main", fail)
    monkeypatch.setattr(face, "forget_stdout", lambda: None)
    assert outcome([]) == code
    err = capfd.readouterr().err
    assert says in err
    assert "Traceback" not in err


def test_colour_follows_the_environment(capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    outcome(["rnu"])
    assert "\x1b[31m" in capfd.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    outcome(["rnu"])
    assert "\x1b" not in capfd.readouterr().err


@pytest.mark.slow
def test_a_reader_that_went_away_is_quiet():
    command = f"{sys.executable} -m batchmill schema | head -c 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("{", "")


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ["schema", "nodes --json", "run --help", "--version"])
def test_no_reader_at_all_is_no_error(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as stdout:
        command = [sys.executable, "-m", "batchmill", *arguments.split()]
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
