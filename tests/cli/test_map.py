"""``batchmill map``: results in the order of the items as they come, whatever the items hold."""

import base64
import json
import os
import signal
import subprocess
import sys

import pytest

from batchmill.cli.main import outcome


@pytest.fixture
def mapped(tmp_path, monkeypatch, capfdbinary):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATCHMILL_JOURNAL", "none")

    def call(items, *arguments):
        code = outcome(["map", "--items", items, *arguments])
        out, err = capfdbinary.readouterr()
        return code, out.decode("utf-8", "surrogateescape"), err.decode()

    return call


HOSTILE = [
    "$(touch hacked)",
    "`id`; x",
    "a 'b' \"c\"",
    "-n",
    "${HOME}",
    "*",
    '{"a":  1}',
    "[1,  2]",
    "\\",
    "{}",
]


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_items_arrive_as_they_are_with_and_without_a_shell(mapped, tmp_path, executor):
    items = json.dumps(HOSTILE)
    wanted = "".join(f"<{item}>\n" for item in HOSTILE)
    flags = ["-q", "--executor", executor, "--"]
    assert mapped(items, *flags, "printf", "<%s>\\n", "{}") == (0, wanted, "")
    assert mapped(items, *flags, "printf '<%s>\\n' {}") == (0, wanted, "")
    assert list(tmp_path.iterdir()) == []


def test_results_come_in_the_order_of_the_items(mapped):
    code, out, err = mapped("range:0:8", "-j", "8", "--", "sleep 0.$((8 - {})); echo {}")
    assert (code, out) == (0, "".join(f"{number}\n" for number in range(8)))
    assert "map: 8 ok" in err


def test_what_is_printed_ends_its_line_and_nothing_is_no_line(mapped):
    assert mapped("range:0:3", "-q", "--", "test {} = 1 || printf '%s\\n\\n' {}")[1] == "0\n\n2\n\n"
    assert mapped('["a", "b"]', "-q", "--", "printf", "{}")[1] == "a\nb\n"


def test_bytes_that_are_no_text_come_out_as_they_are(mapped):
    out = mapped("range:0:1", "-q", "--", "printf '\\377\\n'; : {}")[1]
    assert out.encode("utf-8", "surrogateescape") == b"\xff\n"
    (line,) = mapped("range:0:1", "--json", "-q", "--", "printf '\\377'; : {}")[1].splitlines()
    assert base64.b64decode(json.loads(line)["stdout"]) == b"\xff"


def test_failed_items_leave_the_others_and_degrade(mapped):
    code, out, err = mapped("range:0:4", "--", "test {} != 2 && echo {}")
    assert (code, out) == (3, "0\n1\n3\n")
    assert "1 × CommandFailed in map, first at item 2 (2)" in err
    assert mapped("range:0:2", "--", "false {}")[0] == 1


def test_on_error_fail_ends_the_others(mapped):
    flags = ["--executor", "sequential", "--on-error", "fail", "--"]
    code, out, _ = mapped("range:0:50", *flags, "test {} != 2 && echo {}")
    assert (code, out) == (1, "0\n1\n")


def test_json_lines_tell_of_failures_too(mapped):
    code, out, err = mapped("range:0:2", "--json", "-q", "--", "echo out{}; echo err{} >&2; exit {}")
    first, second = map(json.loads, out.splitlines())
    assert first == {"index": 0, "item": 0, "stdout": "out0\n", "stderr": "err0\n", "exit_code": 0}
    assert (code, err) == (3, "")
    assert (second["index"], second["type"], second["attempts"]) == (1, "CommandFailed", 1)
    assert (second["stdout"], second["stderr"], second["exit_code"]) == ("out1\n", "err1\n", 1)


def test_what_commands_say_on_stderr_goes_there(mapped):
    code, out, err = mapped("range:0:1", "--progress", "none", "--", "echo warning {} >&2; echo fine")
    assert (code, out) == (0, "fine\n")
    assert err.startswith("warning 0\nsuccess")


def test_retries_and_timeouts(mapped, tmp_path):
    command = "n=$(cat count 2>/dev/null || echo 0); echo $((n+1)) > count; test $n = {}"
    assert mapped("[2]", "-q", "--retries", "2", "--", command)[0] == 0
    assert (tmp_path / "count").read_text() == "3\n"
    code, out, _ = mapped("[60]", "--json", "-q", "--timeout", "0.2", "--", "sleep", "{}")
    assert (code, json.loads(out)["kind"]) == (1, "timeout")


def test_rows_and_their_columns(mapped, tmp_path):
    (tmp_path / "rows.csv").write_text("name,size\na b,1\nc,2\n")
    assert mapped("@rows.csv", "-q", "--", "echo", "{item.size}", "{item.name}")[1] == "1 a b\n2 c\n"


def test_collected_results_are_in_a_file_and_not_printed(mapped, tmp_path):
    code, out, _ = mapped("range:0:3", "-q", "--collect", "all.jsonl", "--", "echo")
    assert (code, out) == (0, "")
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert sorted(line["stdout"] for line in lines) == ["0\n", "1\n", "2\n"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--", "sh", "-c", "wc {}"], "would run what the item holds"),
        ([], "Missing argument"),
        (["--jobs", "0", "--", "echo"], "0 is not in the range"),
        (["--executor", "proces", "--", "echo"], "proces"),
    ],
)
def test_mistakes_are_told_before_anything_runs(mapped, arguments, words):
    code, out, err = mapped("range:0:1", *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_a_source_that_cannot_be_read_is_the_environments_fault(mapped):
    code, _, err = mapped("@none", "--", "echo")
    assert code == 5
    assert "items cannot be read from none" in err


def test_a_reader_that_goes_away_ends_the_run(tmp_path):
    command = f"{sys.executable} -m batchmill map --items - --progress none -- echo"
    pipe = f"yes | head -100000 | ({command}; echo $? > code) | head -2"
    done = subprocess.run(["bash", "-c", pipe], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.stdout, (tmp_path / "code").read_text()) == ("y\ny\n", "0\n")


SLOWLY = "echo {} >> begun; test {} -lt 4 || until test -e on; do sleep 0.05; done; echo {}"


@pytest.mark.parametrize("executor", ["thread", pytest.param("process", marks=pytest.mark.slow)])
def test_a_killed_run_is_gone_on_with_and_all_of_it_printed(tmp_path, executor, soon):
    command = [sys.executable, "-m", "batchmill"]
    flags = ["--items", "range:0:8", "--executor", executor, "-j", "2", "--", SLOWLY]
    running = subprocess.Popen(
        [*command, "map", *flags], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    with running:
        begun = tmp_path / "begun"
        assert soon(lambda: begun.exists() and len(begun.read_text().split()) == 6)
        assert [running.stdout.readline() for _ in range(4)] == [b"0\n", b"1\n", b"2\n", b"3\n"]
        os.killpg(running.pid, signal.SIGKILL)
    (tmp_path / "on").touch()
    resumed = subprocess.run([*command, "resume"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (resumed.returncode, resumed.stdout) == (0, "".join(f"{number}\n" for number in range(8)))
    assert "4 kept, 0 redone, 4 new, 0 changed" in resumed.stderr
    ran = begun.read_text().split()
    assert (len(ran), len(set(ran[:6])), len(set(ran[6:]))) == (10, 6, 4)


def test_an_interrupted_run_says_how_to_go_on(tmp_path, soon):
    command = [sys.executable, "-m", "batchmill", "map", "--items", "range:0:9", "-j", "2", "--", SLOWLY]
    begun, said = tmp_path / "begun", tmp_path / "said"
    with open(said, "wb") as stderr, open(os.devnull, "wb") as nowhere:
        running = subprocess.Popen(command, cwd=tmp_path, stdout=nowhere, stderr=stderr)
    assert soon(lambda: begun.exists() and len(begun.read_text().split()) == 6)
    running.send_signal(signal.SIGINT)
    assert soon(lambda: "no new items start" in said.read_text())  # two signals at once would be one
    running.send_signal(signal.SIGINT)
    assert running.wait(30) == 130
    assert said.read_text().splitlines()[-1].startswith("resume with: batchmill resume ")


def test_a_finished_run_is_in_the_journal(mapped, tmp_path):
    assert mapped("range:0:3", "--journal", "kept.sqlite", "-q", "--", "echo", "{}")[0] == 0
    shown = [sys.executable, "-m", "batchmill", "results", "--journal", "kept.sqlite", "--format", "jsonl"]
    lines = subprocess.run(
        shown, cwd=tmp_path, capture_output=True, text=True, timeout=60
    ).stdout.splitlines()
    assert [(one["item"], one["stdout"]) for one in map(json.loads, lines)] == [
        (n, f"{n}\n") for n in range(3)
    ]
