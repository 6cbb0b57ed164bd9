"""Messages on stderr."""

import os
import subprocess
import sys

import pytest

DELETED = "the working folder has been deleted; go to a folder that exists"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "{}/ok.json"], f"error: {DELETED}\n"),
        (["map", "--items", "range:0:2", "--", "echo"], f"error: {DELETED}\n"),
        (["doctor"], f"error: {DELETED}\n"),
        (["show"], f"note: {DELETED}\n"),
    ],
)
@pytest.mark.first_quick
def test_a_working_folder_that_is_gone_is_named(tmp_path, arguments, says):
    (tmp_path / "ok.json").write_text('{"nodes": [{"id": "a", "type": "echo"}]}')
    (tmp_path / "gone").mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); from batchmill.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *(one.format(tmp_path) for one in arguments)],
        cwd=tmp_path / "gone",
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 5
    assert done.stderr.endswith(says)
