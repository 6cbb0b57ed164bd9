"""stdout carries data only, whatever prints; a reader that went away is no error."""

import json
import os
import subprocess
import sys

import pytest

from batchmill.cli.json_text import as_json
from batchmill.cli.streams import DataStream, colour

NOISY = """
import os, subprocess, sys
from batchmill.cli.streams import data_only
print("before")
with data_only() as data:
    print("printed")
    os.write(1, b"written\\n")
    subprocess.run(["echo", "by a child"])
    data.write_json({"data": "\\u00e9"})
print("after")
"""


def test_nothing_gets_in_between_the_data():
    done = subprocess.run([sys.executable, "-c", NOISY], capture_output=True, text=True, timeout=30)
    assert done.stdout == 'before\n{"data": "é"}\nafter\n'
    assert set(done.stderr.split()) == {"printed", "written", "by", "a", "child"}


@pytest.mark.parametrize(
    ("shut", "code", "out"),
    [
        ("2>&-", 0, b'before\n{"data": "\xc3\xa9"}\nafter\n'),
        (">&-", 1, b""),
    ],
)
def test_closed_streams(shut, code, out, tmp_path):
    script = tmp_path / "noisy.py"
    script.write_text(NOISY)
    done = subprocess.run(
        f"{sys.executable} {script} {shut}", shell=True, capture_output=True, timeout=30, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (code, out)
    if code:
        assert b"StorageError: stdout is closed" in done.stderr


@pytest.mark.parametrize("shut", ["2>&-", "2>&- <&-"])
@pytest.mark.parametrize("command", ["run hello.json", "map --items range:0:2 -q -- echo"])
@pytest.mark.first_quick
def test_a_closed_stderr_is_no_reason_not_to_run(command, shut, tmp_path):
    (tmp_path / "hello.json").write_text(
        '{"nodes": [{"id": "a", "type": "echo"}], "outputs": {"a": {"source": "${a.message}"}}}'
    )
    line = f"{sys.executable} -m batchmill {command} {shut}"
    done = subprocess.run(line, shell=True, stdout=subprocess.PIPE, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stdout.split()) in [(0, [b"Hello,", b"World!"]), (0, [b"0", b"1"])]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "code"), [("schema", 5), ("runs", 5), ("validate none.json", 2)])
def test_a_closed_stdout_is_told_to_who_has_something_to_write(command, code, tmp_path):
    line = f"{sys.executable} -m batchmill {command} >&-"
    done = subprocess.run(line, shell=True, stderr=subprocess.PIPE, timeout=60, cwd=tmp_path, text=True)
    assert done.returncode == code
    assert "this is a fault" not in done.stderr


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        try:
            os.close(descriptor)
        except OSError:
            pass  # closed by the test


def test_text_comes_out_as_it_came_in(pipe):
    reader, writer = pipe
    data = DataStream(writer)
    data.write_line("é\udcff")  # the byte 0xff, read with surrogateescape
    data.write_line("\ud800 ends\n")
    assert os.read(reader, 100) == b"\xc3\xa9\xff\n\\ud800 ends\n"


def test_a_reader_that_went_away_is_remembered_and_no_error(pipe):
    reader, writer = pipe
    os.close(reader)
    data = DataStream(writer)
    data.write("x" * 10)
    data.write("y")
    assert data.broken


def test_a_full_disk_is_an_error_of_the_environment():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    from batchmill.errors import StorageError

    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(StorageError, match="No space left"):
            DataStream(descriptor).write("x")
    finally:
        os.close(descriptor)


def test_json_is_always_json():
    assert as_json({"a": "é"}) == '{"a": "é"}'
    assert json.loads(as_json({"a": "\ud800"})) == {"a": "\ud800"}
    assert as_json({"a": "\ud800é"}).isascii()
    assert as_json({"a": float("nan")}) == '{"a": null}'


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [({}, None), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, None), ({"FORCE_COLOR": "1"}, True),
     ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False)],
)  # fmt: skip
def test_colour(environment, wanted):
    assert colour(environment) is wanted
