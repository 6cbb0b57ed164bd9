"""``batchmill cluster certs``: what it writes and what it says to do with it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

pytest.importorskip("cryptography")
pytestmark = pytest.mark.dask


def test_the_commands_name_the_files_that_were_made(batchmill_command, tmp_path: Path) -> None:
    code, out, _ = batchmill_command("cluster", "certs", "my certs")
    assert code == 0
    made = {str(path) for path in tmp_path.joinpath("my certs").iterdir()}
    assert len(made) == 3
    commands = [shlex.split(line, comments=True) for line in out.splitlines()]
    assert [words[:2] for words in commands if words[:1] == ["dask"]] == [
        ["dask", "scheduler"],
        ["dask", "worker"],
    ]
    for words in commands:
        if words[:1] == ["dask"]:
            assert made <= set(words)
    assert {words[1].partition("=")[2] for words in commands if words[:1] == ["export"]} == made


def test_a_second_time_is_refused(batchmill_command) -> None:
    assert batchmill_command("cluster", "certs", "certs")[0] == 0
    code, out, err = batchmill_command("cluster", "certs", "certs")
    assert (code, out) == (2, "")
    assert "already exists" in err
