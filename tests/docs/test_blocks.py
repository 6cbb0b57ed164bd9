"""Every fenced block of README.md and docs/ does what the page says.

| block | what is held |
|---|---|
| ``json``, ``yaml`` | it reads; a whole document, a node, a batch block or an edge is valid |
| ``python`` | it runs; what a line prints is what the comment behind that ``print`` says |
| ``console`` | each ``$`` line runs; what it prints is what stands below, ``...`` standing for anything |
| ``sh`` | nothing here: those are README's two commands, which the CI script runs as printed |
| ``text``, no word | nothing: a drawing, a grammar, an extract |

``title="NAME"`` behind the language makes a block a file that later blocks of the page find; the site shows
the name above the block. A block runs in a folder that holds those files, ``docs`` and ``src``. A ``$`` line
that is no more than a call of batchmill is called in this process, which spares half a second; all others are
given to a shell.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from batchmill.cli.main import outcome
from batchmill.graph.compile.check import check
from batchmill.ir.loading import load
from batchmill.nodes import default_registry

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
FENCE = re.compile(r'^```(\w*)(?: title="([^"\n]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
EDGE = {"from", "to", "action"}
CODE = '; echo "exit code $?"'  # behind a command
SHELL = set("$`;|&<>*?~#(){}[]\\")  # what a line with any of these means, a shell has to say


@dataclass(frozen=True)
class Block:
    """A fenced block, and the files that blocks above it made."""

    page: str
    line: int
    language: str
    name: str
    text: str
    files: tuple[tuple[str, str], ...]

    def __str__(self):
        return f"{self.page}:{self.line}-{self.language or 'nothing'}"


def blocks():
    for path in PAGES:
        files = ()
        text = path.read_text()
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            name = match[2] or ""
            yield Block(str(path.relative_to(REPOSITORY)), line, match[1], name, match[3], files)
            files += ((name, match[3]),) if name else ()


BLOCKS = list(blocks())


def of(*languages):
    chosen = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", chosen, ids=str)


@pytest.fixture
def folder(tmp_path):
    for name in ("docs", "src"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    return tmp_path


@pytest.fixture
def environment():
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "FORCE_COLOR", "COLUMNS")}
    return {**kept, "PATH": path, "PYTHONWARNINGS": "default"}


def put(block, folder):
    for name, text in block.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def as_document(value):
    """The document that a value is, or is a part of; None where it is neither."""
    if not isinstance(value, dict):
        return None
    if "nodes" in value:
        return value
    if {"id", "type"} <= value.keys():
        return {"nodes": [value], "edges": []}
    if "items" in value:
        item = value.get("as", "item")
        return {
            "nodes": [{"id": "node", "type": "echo", "params": {"message": f"${{{item}}}"}, "batch": value}]
        }
    if {"from", "to"} <= value.keys():
        ends = [{"id": value[end], "type": "echo"} for end in ("from", "to")]
        return {"nodes": ends, "edges": [value]}
    return None


def test_every_block_is_of_a_kind_that_is_held():
    known = {"json", "yaml", "python", "console", "sh", "text", ""}
    assert [str(block) for block in BLOCKS if block.language not in known] == []


def test_every_fence_is_written_in_a_form_that_the_site_reads():
    for path in PAGES:
        fences = re.findall(r"^```.*$", path.read_text(), re.MULTILINE)
        odd = [fence for fence in fences if not re.fullmatch(r'```(\w*)( title="[^"]+")?', fence)]
        assert odd == [], f'{path}: write ```LANGUAGE title="NAME" for a file'


def test_readme_has_two_commands_and_no_other_page_has_any():
    commands = [block for block in BLOCKS if block.language == "sh"]
    assert [block.page for block in commands] == ["README.md", "README.md"]
    assert all(len(block.text.strip().splitlines()) == 1 for block in commands)


@of("json", "yaml")
def test_documents_and_parts_of_them_are_valid(block, folder, monkeypatch):
    put(block, folder)
    monkeypatch.chdir(folder)  # a document may name another one
    value = json.loads(block.text) if block.language == "json" else yaml.safe_load(block.text)
    document = as_document(value)
    if document is not None:
        check(load(document), default_registry())


@of("python")
def test_python_runs_and_prints_what_it_says(block, folder, environment):
    if block.name:
        compile(block.text, block.name, "exec")
        return
    put(block, folder)
    (folder / "example.py").write_text(block.text)
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wanted = re.findall(r"^\s*print\(.*\)  # (.*)$", block.text, re.MULTILINE)
    assert done.stdout.splitlines() == wanted


@of("console")
def test_commands_print_what_stands_below_them(block, folder, environment, monkeypatch):
    put(block, folder)
    monkeypatch.chdir(folder)
    for name in os.environ.keys() - environment.keys():
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for command, wanted in commands_of(block.text):
        code, printed = called_here(command) if is_a_plain_call(command) else called_in_a_shell(command)
        if wanted:
            assert_like(printed, wanted)
        else:
            assert code == 0, printed


def is_a_plain_call(command):
    return command.startswith("batchmill ") and not SHELL & set(command.strip().removesuffix(CODE))


def called_in_a_shell(command):
    done = subprocess.run(
        ["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout


def called_here(command):
    call = command.strip().removesuffix(CODE)
    with open("printed", "w+") as printed:
        with led_to(printed.fileno()):
            code = outcome(shlex.split(call)[1:])
        printed.seek(0)
        text = printed.read()
    os.unlink("printed")
    return (code, text) if call == command.strip() else (0, f"{text}exit code {code}\n")


@contextmanager
def led_to(target):
    """stdout and stderr go to one file, line by line as to a terminal."""
    kept = [os.dup(1), os.dup(2)]
    try:
        with pytest.MonkeyPatch.context() as patch:
            for number, name in ((1, "stdout"), (2, "stderr")):
                os.dup2(target, number)
                stream = open(number, "w", buffering=1, closefd=False)  # noqa: SIM115  # nothing is to be closed
                patch.setattr(sys, name, stream)
            yield
            sys.stdout.flush()
            sys.stderr.flush()
    finally:
        for number, descriptor in zip((1, 2), kept, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)


def commands_of(text):
    """Pairs of a command and what stands below it."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert not parts[0].strip(), "a console block begins with a command"
    for part in parts[1:]:
        while (match := re.match(r"(.*)\\\n> ?(.*)", part)) is not None:
            part = part.replace(match[0], match[1] + match[2], 1)
        command, _, below = part.partition("\n")
        yield command, below


def assert_like(got, wanted):
    pattern = ".*?".join(map(re.escape, wanted.strip().split("...")))
    assert re.fullmatch(pattern, got.strip(), re.DOTALL), f"printed:\n{got}\nwanted:\n{wanted}"


def test_what_needs_no_shell():
    assert is_a_plain_call("batchmill run a.json n=1 -q\n")
    assert is_a_plain_call('batchmill run a.json -q; echo "exit code $?"')
    for command in (
        "batchmill run a.json | tail -1",
        "batchmill run $a",
        "ls",
        "batchmill run a *",
        "x=1 batchmill",
    ):
        assert not is_a_plain_call(command)


def test_what_counts_as_alike():
    assert_like("a 1.25 s b\n", "a ... b")
    with pytest.raises(AssertionError):
        assert_like("a\nb", "a\nc")
    assert list(commands_of("$ a \\\n> b\nout\n$ c\n")) == [("a b", "out\n"), ("c", "")]
