"""``batchmill map``: results in the order of the items as they come, whatever the items hold."""

import base64
import csv
import gzip
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
@pytest.mark.first_quick
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


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_what_is_printed_comes_out_byte_for_byte(mapped, executor):
    flags = ["-q", "--executor", executor, "--"]
    assert mapped("range:0:3", *flags, "printf", "%s,") == (0, "0,1,2,", "")
    assert mapped("range:0:3", *flags, "test {} = 1 || printf '%s\\n\\n' {}")[1] == "0\n\n2\n\n"
    out = mapped("range:0:2", *flags, "printf 'a\\377\\000\\r%s' {}")[1]
    assert out.encode("utf-8", "surrogateescape") == b"a\xff\0\r0a\xff\0\r1"


def test_bytes_that_are_no_text_are_base64_in_json(mapped):
    (line,) = mapped("range:0:1", "--json", "-q", "--", "printf '\\377'; printf '\\376' >&2; : {}")[
        1
    ].splitlines()
    row = json.loads(line)
    assert [base64.b64decode(row[name]) for name in ("stdout", "stderr")] == [b"\xff", b"\xfe"]
    assert (row["stdout_is_binary"], row["stderr_is_binary"]) == (True, True)


def test_failed_items_leave_the_others_and_degrade(mapped):
    code, out, err = mapped("range:0:4", "--", "test {} != 2 && echo {}")
    assert (code, out) == (3, "0\n1\n3\n")
    assert "1 × CommandFailed in map, first at item 2 (2)" in err
    assert mapped("range:0:2", "--", "false {}")[0] == 1


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.first_quick
def test_what_a_failed_command_printed_is_printed_in_its_place(mapped, executor, given_time):
    script = "echo out{}; echo err{} >&2; test {} = 2 && sleep 60; exit {}"

    def check(seconds):
        flags = ["-q", "--executor", executor, "--timeout", str(seconds)]
        code, out, err = mapped("range:0:3", *flags, "--", script)
        assert (code, out) == (3, "out0\nout1\nout2\n")
        assert sorted(err.splitlines()) == [
            "err0", "err1", "err2",
            "item 1 (1): the command failed with exit code 1",
            "item 2 (2): timed out",
        ]  # fmt: skip

    given_time(check)


def test_stderr_comes_as_each_item_ends_and_is_whole(mapped):
    waiting = "test {} = 0 && until test $(cat log | wc -l) -ge 3; do sleep 0.02; done"
    script = f"{waiting}; printf 'said %s' {{}} >&2"
    _, out, err = mapped("range:0:3", "-j", "3", "-q", "--joblog", "log", "--", script)
    assert (out, err.endswith("said 0\n")) == ("", True), "the first to begin is the last to end"
    assert sorted(err.strip().replace("said ", "")) == ["0", "1", "2"]
    code, _, err = mapped("[9]", "-q", "--", "head -c 300000 /dev/zero | tr '\\0' x >&2; exit {}")
    assert (code, len(err.split("\n")[0])) == (1, 300_000)
    assert err.split("\n")[1] == "item 0 (9): the command failed with exit code 9"


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.parametrize("journal", ["none", "runs.sqlite"])
def test_much_is_printed_whole_in_order_and_leaves_no_files(mapped, tmp_path, executor, journal):
    flags = ["-q", "--executor", executor, "--journal", journal]
    code, out, _ = mapped("range:1:4", *flags, "--", "seq 1 {}0000; exit $(({} % 2))")
    wanted = [str(n) for upto in (10_000, 20_000, 30_000) for n in range(1, upto + 1)]
    assert (code, out.split()) == (3, wanted)
    left = {path.name.split(".")[0] for path in tmp_path.rglob("*") if path.is_file()}
    assert left == (set() if journal == "none" else {"runs", "stdout"}), "a journal keeps it for resume"
    rows = mapped("range:1:4", *flags, "--json", "--", "seq 1 {}0000; exit $(({} % 2))")[1]
    assert [len(json.loads(row)["stdout"].split()) for row in rows.splitlines()] == [10_000, 20_000, 30_000]


def test_the_command_begins_at_the_first_word_that_is_no_option(mapped, tmp_path):
    (tmp_path / "x.txt").write_text("foo\nbar\n")
    assert mapped("x.txt", "-q", "grep", "-v", "foo", "{}") == (0, "bar\n", "")
    assert mapped('["x"]', "-q", "echo", "make", "-j", "4", "--json") == (0, "make -j 4 --json x\n", "")
    assert mapped('["x"]', "-q", "echo", "--", "--timeout", "3")[1] == "-- --timeout 3 x\n"


def test_several_sources_and_placeholders(mapped, tmp_path):
    items = '["a/b.txt", "c.md"]'
    assert mapped(items, "-q", "echo", "{/.}", "{.}", "{//}", "{#}")[1] == "b a/b a 1\nc c . 2\n"
    product = ["-q", "--items", "range:1:3", "echo", "{2}-{1/}"]
    assert mapped(items, *product)[1] == "1-b.txt\n2-b.txt\n1-c.md\n2-c.md\n"
    assert mapped(items, "--items", "range:1:3", "--link", "-q", "echo {}")[1] == "a/b.txt 1\nc.md 2\n"
    hostile = json.dumps(["$(touch hacked).x", "a'b.c", "* -n.d"])
    assert mapped(hostile, "-q", "echo '{.}' \"{/}\" {}")[1].splitlines() == [
        f"{item.rpartition('.')[0]} {item} {item}" for item in json.loads(hostile)
    ]
    assert not (tmp_path / "hacked").exists()
    slots = mapped("range:0:6", "-j", "2", "-q", "--", "sleep 0.05; echo {%}")[1].split()
    assert set(slots) == {"1", "2"}


@pytest.mark.slow
def test_a_word_in_braces_that_is_none_of_ours_runs_nothing(mapped, tmp_path):
    (tmp_path / "f1.txt").touch()
    code, out, err = mapped("f*.txt", "cp", "{}", "{stem}.bak")
    assert (code, out) == (2, "")
    assert "{stem} in the command is not a placeholder: did you mean {/.}?" in err
    (tmp_path / "rows.csv").write_text("name,size\na,1\n")
    code, _, err = mapped("@rows.csv", "echo", "{nam}")
    assert code == 2
    assert "did you mean 'name'?" in err
    assert [path.name for path in tmp_path.iterdir()] == ["f1.txt", "rows.csv"]


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
    (tmp_path / "rows.csv").write_text("name,full size\na b,1\nc,2\n")
    assert mapped("@rows.csv", "-q", "--", "echo", "{item.full size}", "{name}")[1] == "1 a b\n2 c\n"
    assert mapped("@rows.csv", "-q", "--", "echo {full size} '{name}'")[1] == "1 a b\n2 c\n"
    (tmp_path / "n.jsonl").write_text('{"a": 1e5}\n{"a": 1.10}\n')
    for executor in ("thread", "process"):
        flags = ["--executor", executor, "-q", "--", "echo", "{a}"]
        assert mapped("@n.jsonl", *flags)[1] == "1e5\n1.10\n"
    assert mapped("[1.50, 2]", "-q", "--", "echo")[1] == "1.50\n2\n"
    values = '[{"a": true}, {"a": null}, {"a": [1, {}]}]'
    assert mapped(values, "-q", "--", "echo", "{a}")[1] == "true\nnull\n[1, {}]\n"


def test_each_command_knows_its_item(mapped):
    script = 'echo "$BATCHMILL_INDEX ${#BATCHMILL_ITEM_KEY} $EXTRA"'
    out = mapped('["a", "b"]', "-q", "--env", "EXTRA=x=y", "--", f"{script}; : {{}}")[1]
    assert out == "0 32 x=y\n1 32 x=y\n"


def test_collected_results_are_the_rows_that_would_be_printed(mapped, tmp_path):
    command = ["--", "echo {}; test {} != 1"]
    code, out, err = mapped("range:0:3", "-q", "--collect", "all.jsonl", *command)
    assert (code, out) == (3, "")
    assert err == "item 1 (1): the command failed with exit code 1\n"
    lines = (tmp_path / "all.jsonl").read_text()
    assert lines == mapped("range:0:3", "-q", "--json", *command)[1]
    assert [json.loads(line)["stdout"] for line in lines.splitlines()] == ["0\n", "1\n", "2\n"]


def test_the_name_of_a_file_of_results_says_its_form(mapped, tmp_path):
    code, _, _ = mapped("range:0:3", "-q", "--collect", "all.csv.gz", "--", "printf 'a,%s' {}; test {} != 1")
    assert code == 3
    with gzip.open(tmp_path / "all.csv.gz", "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["stdout"] for row in rows] == ["a,0", "a,1", "a,2"]
    assert [row["type"] for row in rows] == ["", "CommandFailed", ""]
    code, _, err = mapped("range:0:3", "--collect", "all.parquet.gz", "--", "echo")
    assert code == 2
    assert "Parquet is compressed by itself" in err


def test_a_file_of_results_is_whole_or_what_it_was(mapped, tmp_path):
    (tmp_path / "all.jsonl").write_text("as it was\n")
    flags = ["-q", "--executor", "sequential", "--on-error", "fail", "--collect", "all.jsonl"]
    code, _, err = mapped("range:0:3", *flags, "--journal", "j.sqlite", "--", "test {} != 1 -o -e on")
    assert code == 1
    assert "note: all.jsonl is unchanged; results of the run so far are in all.jsonl.partial" in err
    assert (tmp_path / "all.jsonl").read_text() == "as it was\n"
    (tmp_path / "on").touch()
    assert outcome(["resume", "--journal", "j.sqlite", "-q"]) == 0
    assert len((tmp_path / "all.jsonl").read_text().splitlines()) == 3
    mapped("range:0:3", *flags, "--", "test {} != 1")
    assert len((tmp_path / "all.jsonl.partial").read_text().splitlines()) == 2, "nothing else has them"


@pytest.mark.parametrize("link", [False, True])
def test_results_over_their_own_source_are_refused(mapped, tmp_path, link):
    (tmp_path / "names").write_text("x\ny\n")
    (tmp_path / "link").symlink_to("names")
    code, _, err = mapped("@names", "--collect", "link" if link else "names", "--", "echo")
    assert code == 2
    assert "cannot be the file of --collect: it is also @names; name another file" in err
    assert mapped("@names", "--collect", "a", "--joblog", "./a", "--", "echo")[0] == 2
    assert (tmp_path / "names").read_text() == "x\ny\n"


@pytest.mark.slow
def test_a_runs_own_files_are_no_items(mapped, tmp_path):
    (tmp_path / "mine").touch()
    flags = [
        "--journal",
        "runs.sqlite",
        "--collect",
        "all.jsonl",
        "-q",
        "--",
        "sh",
        "-c",
        'rm -rf "$1"',
        "sh",
    ]
    for _ in range(2):
        assert mapped("*", *flags)[0] in (0, 2)
        (tmp_path / "mine").touch()
    assert {"runs.sqlite", "all.jsonl"} <= {path.name for path in tmp_path.iterdir()}
    with open(tmp_path / "printed", "wb") as out:
        command = [
            sys.executable,
            "-m",
            "batchmill",
            "map",
            "--items",
            "p*",
            "--allow-empty",
            "-q",
            "--",
            "cat",
        ]
        subprocess.run(command, cwd=tmp_path, stdout=out, timeout=60, check=True)
    assert (tmp_path / "printed").read_bytes() == b""


@pytest.mark.parametrize("source", ["none*", "no such file", "@none", "[]"])
def test_a_source_that_names_nothing(mapped, source):
    code, out, err = mapped(source, "-q", "--", "echo")
    assert (code, out) == (2, "")
    assert "SOURCE is one of" in err
    assert mapped(source, "-q", "--allow-empty", "--", "echo") == (0, "", "")


def test_names_of_files_that_the_shell_has_made_of_a_pattern(mapped, tmp_path):
    for name in ("m1.md", "m2.md", "m3.md"):
        (tmp_path / name).touch()
    code, _, err = mapped("m1.md", "m2.md", "m3.md", "--", "wc")
    assert code == 2
    assert "put it in quotes: --items '*.md'" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--", "sh", "-c", "wc {}"], "would run a value as code"),
        ([], "Missing argument"),
        (["--jobs", "0", "--", "echo"], "0 is not in the range"),
        (["--executor", "proces", "--", "echo"], "proces"),
        (["-I", "", "--", "echo"], "-I needs the text"),
        (["--", ""], "the command is empty"),
        (["--items", "python:no.such:f", "--", "echo"], "cannot import 'no.such'"),
        (["--items", "python:os:no", "--", "echo"], "there is no 'no' in 'os'"),
    ],
)
def test_mistakes_are_told_before_anything_runs(mapped, arguments, words):
    code, out, err = mapped("range:0:1", *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_a_source_that_cannot_be_read_is_the_environments_fault(mapped, tmp_path):
    (tmp_path / "broken.jsonl").write_text("1\n{\n")
    code, out, err = mapped("@broken.jsonl", "-q", "--", "echo")
    assert (code, out) == (5, "1\n")
    assert "broken.jsonl, line 2: not JSON" in err


@pytest.mark.parametrize(
    ("arguments", "given", "printed"),
    [
        ([], b"a\nb\xe9\n\nc\rd\n", b"<a><b\xe9><><c\rd>"),
        (["--items", "-"], b"a\r\nb", b"<a><b>"),
        (["-0"], b"a\nb\0c\0", b"<a\nb><c>"),
        (["-d", ","], b"a,b\n", b"<a><b\n>"),
        (["--limit", "1"], b"a\nb\n", b"<a>"),
    ],
)
@pytest.mark.first_quick
def test_standard_input_is_where_items_come_from(tmp_path, arguments, given, printed):
    command = [sys.executable, "-m", "batchmill", "map", "--no-journal", "-q", *arguments, "printf", "<%s>"]
    done = subprocess.run(command, cwd=tmp_path, input=given, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, printed, b"")


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_run(tmp_path):
    command = f"{sys.executable} -m batchmill map --items - --progress none -- echo"
    pipe = f"yes | head -100000 | ({command}; echo $? > code) | head -2"
    done = subprocess.run(["bash", "-c", pipe], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.stdout, (tmp_path / "code").read_text()) == ("y\ny\n", "0\n")
    listed = subprocess.run(
        [sys.executable, "-m", "batchmill", "runs"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert "  reader left  " in listed.stdout
    assert listed.stdout.endswith("  map - -- echo\n")


SLOWLY = "echo {} >> begun; sleep 0.02; test {} -lt 4 || until test -e on; do sleep 0.05; done; echo {}"


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
    assert "4 kept, 0 redone, 4 new, 0 changed, 0 gone" in resumed.stderr
    ran = begun.read_text().split()
    assert (len(ran), len(set(ran[:6])), len(set(ran[6:]))) == (10, 6, 4)


@pytest.mark.slow
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
