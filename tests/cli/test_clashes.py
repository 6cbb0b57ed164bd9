"""Options that contradict each other are refused, whichever comes first."""

import pytest

EACH = ("--items", "range:0:2", "-q")


@pytest.fixture
def called(batchmill_command, tmp_path):
    (tmp_path / "ok.json").write_text(
        '{"nodes": [{"id": "a", "type": "echo", "batch": {"items": [1, 2], "executor": "thread"}}]}'
    )
    return batchmill_command


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "ok.json", "--no-journal", "--journal", "j.sqlite"), "--no-journal saves nothing: keep one"),
        (("run", "ok.json", "--durable", "--no-journal"), "--no-journal saves none: keep one"),
        (("run", "ok.json", "--durable", "--journal", "none"), "--journal none saves none: keep one"),
        (("run", "ok.json", "-q", "--progress", "bar"), "--progress bar shows progress: keep one"),
        (("run", "ok.json", "--executor", "thread", "--cluster", "local"), "add --executor dask"),
        (("run", "ok.json", "--name", "last"), "'last' means the latest run: choose another name"),
        (("run", "ok.json", "--name", "a=b"), "a word with `=` is an input: choose another name"),
        (("run", "ok.json", "--name", " "), "it is empty: choose another name"),
        (("resume", "-q", "--progress", "plain"), "--progress plain shows progress: keep one"),
        (("resume", "--cluster", "local", "--executor", "process"), "add --executor dask"),
        (("map", *EACH, "--no-journal", "--journal", "j", "--", "echo"), "--no-journal saves nothing"),
        (("map", *EACH, "--cluster", "local", "--", "echo"), "the executor is thread: add --executor dask"),
        (("map", *EACH, "--halt", "now", "--on-error", "continue", "echo"), "--halt stops at the first"),
        (("map", *EACH, "--retry-wait", "3", "echo"), "add --retries N"),
        (("map", *EACH, "--executor", "sequential", "-j", "4", "echo"), "one after another: keep one"),
        (("map", *EACH, "--json", "--tag", "echo"), "--json and --tag are two forms"),
        (("map", *EACH, "--json", "--dry-run", "echo"), "--dry-run prints commands, and --json results"),
        (("map", *EACH, "--shell", "bash", "echo", "hi"), "quote it as one word"),
        (("map", *EACH, "-0", "echo"), "-0 says what ends a line, and no source has lines"),
        (("map", *EACH, "-d", ",", "echo"), "-d says what ends a line, and no source has lines"),
        (("plan", "ok.json", "--json", "--format", "dot"), "--json is --format json, and --format is dot"),
        (("plan", "ok.json", "--changes", "--format", "mermaid"), "leave out --format mermaid"),
        (("init", "--list", "new.yaml"), "--list writes no document, and FILE names one"),
        (("init", "--template", "photos", "--list"), "--list writes no document"),
        (("show", "--item", "0", "--errors"), "--item shows one item, and --errors all failures"),
        (("watch", "--once", "--every", "3"), "--once looks once"),
        (("bench", "ok.json", "--scale", "0.1"), "--scale is for the built-in workloads"),
        (("bench", "--builtin", "--in-place"), "--in-place is for a document"),
    ],
)
def test_each_pair_is_refused(called, tmp_path, arguments, says):
    code, out, err = called(*arguments)
    assert (code, says in err) == (2, True), err
    assert not (tmp_path / "j.sqlite").exists()
    assert out == "" or out.startswith('{"schema": "batchmill.error/1"')


def test_a_variable_of_the_environment_is_overridden(called):
    code, _, _ = called("run", "ok.json", "-q", "--no-journal", BATCHMILL_JOURNAL="j.sqlite")
    assert code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "ok.json", "-q", "--progress", "none", "--no-journal"),
        ("run", "ok.json", "-q", "-v", "--no-journal"),
        ("map", *EACH, "--halt", "soon", "--no-journal", "echo"),
        ("map", *EACH, "--executor", "sequential", "-j", "1", "--no-journal", "echo"),
        ("map", *EACH, "--colsep", ",", "--no-journal", "echo", "{1}"),
    ],
)
def test_what_goes_together_is_not(called, arguments):
    assert called(*arguments)[0] == 0
