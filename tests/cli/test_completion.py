"""``batchmill completion``, ``help`` and ``-V``; shells that are here complete with it."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from batchmill.cli.main import COMMANDS, outcome


@pytest.mark.parametrize(
    ("shell", "words"),
    [("bash", "complete -o"), ("zsh", "#compdef batchmill"), ("fish", "complete --no-files")],
)
def test_a_script_for_each_shell_goes_to_stdout(shell, words, capfd):
    assert outcome(["completion", shell]) == 0
    out, _ = capfd.readouterr()
    assert words in out
    assert "_BATCHMILL_COMPLETE" in out


def test_another_shell_is_refused(capfd):
    assert outcome(["completion", "tcsh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capfd.readouterr().err


def completed(monkeypatch, capfd, *words):
    monkeypatch.setenv("_BATCHMILL_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join(["batchmill", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    with pytest.raises(SystemExit):
        outcome([])
    return capfd.readouterr().out.split()


def test_commands_options_and_choices_are_completed(monkeypatch, capfd):
    assert completed(monkeypatch, capfd, "wa") == ["plain,watch"]
    assert "plain,--failed" in completed(monkeypatch, capfd, "resume", "--f")
    assert completed(monkeypatch, capfd, "trace", "--format", "o") == ["plain,otlp"]
    assert completed(monkeypatch, capfd, "run", "flo") == ["file,flo"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.slow
def test_bash_takes_the_script(tmp_path):
    (tmp_path / "batchmill").write_text(f'#!/bin/sh\nexec {sys.executable} -m batchmill "$@"\n')
    (tmp_path / "batchmill").chmod(0o755)
    script = (
        'eval "$(batchmill completion bash)"; COMP_WORDS=(batchmill wat); COMP_CWORD=1; '
        '_batchmill_completion batchmill; echo "${COMPREPLY[@]}"'
    )
    told = subprocess.run(
        ["bash", "-c", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert told.stdout == "watch\n"


def test_help_is_what_the_option_says(capfd):
    for arguments, same in ((["help"], ["--help"]), (["help", "run"], ["run", "--help"])):
        assert outcome(arguments) == 0
        told = capfd.readouterr().out
        assert outcome(same) == 0
        assert told == capfd.readouterr().out
    assert told.startswith("Usage: batchmill run [OPTIONS] FILE")


@pytest.mark.parametrize("name", COMMANDS)
def test_there_is_help_for_every_command(name, capfd):
    assert outcome(["help", name]) == 0
    assert capfd.readouterr().out.startswith(f"Usage: batchmill {name}")


def test_help_for_no_command_is_a_mistake(capfd):
    assert outcome(["help", "rum"]) == 2
    assert "Did you mean 'run'?" in capfd.readouterr().err


def test_the_version(capfd):
    assert outcome(["-V"]) == 0
    short = capfd.readouterr().out
    assert outcome(["--version"]) == 0
    assert short == capfd.readouterr().out != ""
