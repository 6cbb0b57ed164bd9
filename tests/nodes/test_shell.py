"""The shell node."""

from __future__ import annotations

import base64
import os
import pickle
import re
import tempfile
import threading
import time

import pytest

from batchmill.attempt import Attempt
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import AttemptTimeout, InvalidParams, NodeError, Stopped, UnsafeValue
from batchmill.template import Scope
from batchmill.template.shell import compile_command


def failure(run, **params):
    with pytest.raises(NodeError) as caught:
        run("shell", **params)
    return caught.value


def test_a_string_goes_through_a_shell(run):
    assert run("shell", command="echo a | tr a b; echo $((1 + 1))").outputs == {
        "stdout": "b\n2",
        "stdout_is_binary": False,
        "stderr": "",
        "exit_code": 0,
        "error": "",
        "truncated": False,
    }


def test_a_list_goes_through_none(run):
    command = ["printf", "%s|", "$HOME", "a b", 5, True, None, {"a": [1]}, "`x`"]
    assert run("shell", command=command).outputs["stdout"] == '$HOME|a b|5|True||{"a": [1]}|`x`|'


def test_a_variable_that_the_shell_calculates_with(run):
    """Also one that comes with the environment is code where it is an index."""
    for text in ("echo $((N + 1))", "echo ${v}; [[ $N -gt 3 ]]", "n=$N; echo $((n))"):
        command = compile_command(text, allow_raw=False).resolve(Scope({"v": ""}))
        params = {"command": command, "shell": "bash"}
        assert run("shell", **params, env={"N": "1 + 4"}).outputs["exit_code"] == 0
        with pytest.raises(UnsafeValue, match="N in `env` must be free of"):
            run("shell", **params, env={"N": "a[$(touch pwned)]"})
    plain = compile_command("echo $N", allow_raw=False).resolve(Scope({}))
    assert run("shell", command=plain, env={"N": "a[1]"}).outputs["stdout"] == "a[1]"


def test_another_shell(run):
    if os.path.exists("/bin/bash"):
        params = {"command": "a=(1 2); echo ${#a[@]}", "shell": "bash"}
        assert run("shell", **params).outputs["stdout"] == "2"
    params = {"command": "true", "shell": "nosuchshell"}
    assert "command not found: 'nosuchshell'" in failure(run, **params).message


@pytest.mark.parametrize(
    ("stdin", "arrives"),
    [
        ("text\n", "text\n"),
        ({"a": "é"}, '{"a": "é"}'),
        ([1, None], "[1, null]"),
        (5, "5"),
        (True, "true"),
        (None, ""),
        ("", ""),
    ],
)
def test_input_is_text_as_it_is_and_json_for_anything_else(run, stdin, arrives):
    assert run("shell", command="cat", stdin=stdin, strip_newline=False).outputs["stdout"] == arrives


def test_trailing_newlines_go_unless_wanted(run):
    assert run("shell", command="printf 'a\\n\\n \\n\\n'").outputs["stdout"] == "a\n\n "
    assert run("shell", command="printf 'a\\n\\n'", strip_newline=False).outputs["stdout"] == "a\n\n"
    assert run("shell", command="echo e >&2").outputs["stderr"] == "e\n"


def test_folder_and_environment(run, tmp_path, monkeypatch):
    monkeypatch.setenv("TAKEN", "x")
    monkeypatch.setenv("HOME", str(tmp_path))
    outputs = run(
        "shell", command='echo "$PWD|$A|$B|${TAKEN-gone}"', cwd="~", env={"A": "1 2", "B": 3, "TAKEN": None}
    ).outputs
    assert outputs["stdout"] == f"{tmp_path}|1 2|3|gone"


def test_a_failing_command_is_an_error_result_with_its_outputs(run):
    error = failure(run, command="echo out; echo why >&2; exit 3")
    assert error.outputs["stdout"] == "out"
    assert error.outputs["stderr"] == "why\n"
    assert error.outputs["exit_code"] == 3
    assert error.message == error.outputs["error"] == "the command failed with exit code 3: why"
    assert error.retryable


def test_a_failure_without_a_complaint_shows_what_was_printed(run):
    error = failure(run, command="echo '3 of 4 passed'; exit 1")
    assert error.message == "the command failed with exit code 1; it printed: 3 of 4 passed"
    assert failure(run, command="seq 10000; exit 1").message.endswith("9999\n10000")


def test_errors_can_be_ignored(run):
    outputs = run("shell", command="echo out; exit 3", ignore_errors=True).outputs
    assert (outputs["exit_code"], outputs["stdout"]) == (3, "out")
    assert outputs["error"] == "the command failed with exit code 3"
    assert run("shell", command=["nosuchcommand"], ignore_errors=True).outputs["exit_code"] == 127


def test_long_complaints_are_shortened_to_their_end(run):
    error = failure(run, command="seq 10000 >&2; exit 1")
    assert len(error.message) < 700
    assert error.message.endswith("9999\n10000")


def test_death_by_signal_is_named(run):
    error = failure(run, command="kill -SEGV $$")
    assert error.message == "the command was killed by SIGSEGV (exit code 139)"
    error = failure(run, command="sh -c 'kill -9 $$'; exit $?")
    assert error.message.startswith("the command failed with exit code 137, as after SIGKILL")


@pytest.mark.parametrize(
    ("params", "code", "words"),
    [
        ({"command": ["nosuchcommand"]}, 127, "command not found: 'nosuchcommand'"),
        ({"command": "nosuchcommand"}, 127, "exit code 127"),
        ({"command": ["true"], "cwd": "/no/such/folder"}, 127, "(`cwd`) does not exist: '/no/such/folder'"),
        ({"command": ["true"], "cwd": "/etc/passwd"}, 127, "(`cwd`) does not exist"),
        ({"command": ["/etc"]}, 126, "'/etc' may not be run"),
        ({"command": ["true", "x" * 3_000_000]}, 126, "too long; pass large values through `stdin`"),
    ],
)
def test_what_cannot_be_started_says_why(run, params, code, words):
    error = failure(run, **params)
    assert error.outputs["exit_code"] == code
    assert words in error.message


def test_a_file_that_is_no_program(run, tmp_path):
    script = tmp_path / "script"
    script.write_text("echo hi\n")
    script.chmod(0o755)
    assert "a script needs a first line" in failure(run, command=[str(script)]).message


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"command": ""}, "the command is empty"),
        ({"command": " \n"}, "the command is empty"),
        ({"command": []}, "the command is empty"),
        ({"command": [None]}, "the command is empty"),
        ({"command": "echo a\0b"}, "null byte"),
        ({"command": ["echo", "\ud800"]}, "surrogates not allowed"),
        ({"command": "true", "env": {"A=B": "x"}}, "'A=B' in `env`"),
        ({"command": "true", "env": {"": "x"}}, "'' in `env`"),
        ({"command": "true", "env": {"A": "x\0"}}, "null byte"),
        ({"command": "cat", "stdin": "\ud800"}, "`stdin` cannot be written as bytes"),
        ({"command": "true", "timeout": 0}, "'timeout' must be 0.001 or more"),
        ({"command": 5}, "'command' must be text or a list"),
        ({"comand": "true"}, "did you mean 'command'?"),
    ],
)
def test_what_no_command_can_be_given_is_not_tried_again(run, params, words):
    error = failure(run, **params)
    assert isinstance(error, InvalidParams)
    assert not error.retryable
    assert words in error.message


def test_what_can_be_seen_before_it_runs(check):
    assert check("shell", command=" ") == [("command", "the command is empty")]
    assert check("shell", command=[]) == [("command", "the command is empty")]
    assert check("shell", command="true") == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (r"printf 'caf\351\n007\n'", "what it printed is no utf-8 text: byte 0xe9 at offset 3, line 1"),
        (r"printf 'a\nb\377'", "byte 0xff at offset 3, line 2"),
        (r"printf 'e\377' >&2", "its stderr is no utf-8 text: byte 0xff at offset 1, line 1"),
    ],
)
def test_output_that_is_no_text_is_an_error_that_says_where(run, command, words):
    error = failure(run, command=command)
    assert words in error.message
    assert "`encoding`" in error.message
    assert (error.type_name, error.retryable) == ("NotText", False)
    assert error.outputs["error"] == error.message


def test_output_of_another_encoding(run):
    outputs = run("shell", command=r"printf 'caf\351\n'; printf '\374' >&2", encoding="latin-1").outputs
    assert (outputs["stdout"], outputs["stderr"], outputs["stdout_is_binary"]) == ("café", "ü", False)
    with pytest.raises(InvalidParams, match="common encodings are"):
        run("shell", command="true", encoding="utf-nine")


def test_base64_is_given_where_it_was_asked_for(run):
    outputs = run("shell", command=r"printf 'a\377\n'; printf 'e\377' >&2", encoding="binary").outputs
    assert (outputs["stdout"], outputs["stdout_is_binary"]) == ("Yf8K", True)
    assert outputs["stderr"] == r"e\xff"
    outputs = run("shell", command="echo a", encoding="binary").outputs
    assert (outputs["stdout"], outputs["stdout_is_binary"]) == ("YQo=", True)
    for printed, found in (("a", ("a", False)), (r"\377", ("/w==", True))):
        outputs = run("shell", command=f"printf '{printed}'", encoding="auto").outputs
        assert (outputs["stdout"], outputs["stdout_is_binary"]) == found


def test_what_a_failed_command_printed_is_shown_with_escapes(run):
    error = failure(run, command=r"printf 'a\377'; printf 'e\377' >&2; exit 3")
    assert error.message == r"the command failed with exit code 3: e\xff"
    assert (error.outputs["stdout"], error.outputs["stderr"]) == (r"a\xff", r"e\xff")


def test_output_beyond_the_limit_fails(run):
    for where in ("", ">&2"):
        error = failure(run, command=f"printf 123456 {where}", max_output_bytes=5)
        assert "printed more than 5 bytes (`max_output_bytes`)" in error.message
        assert (error.type_name, error.retryable) == ("OutputTooLarge", False)
        assert error.outputs["truncated"] is True
    error = failure(run, command="printf 123456; exit 2", max_output_bytes=5)
    assert (error.outputs["exit_code"], error.outputs["truncated"]) == (2, True)
    assert "exit code 2" in error.message


def test_the_beginning_is_given_where_that_is_enough(run):
    outputs = run("shell", command="printf 'ééé'", max_output_bytes=5, truncate=True).outputs
    assert (outputs["stdout"], outputs["truncated"], outputs["stdout_is_binary"]) == ("éé", True, False)
    assert "cut" not in outputs["error"]
    assert "offset 2" in failure(run, command=r"printf 'é\303'").message


def test_a_timeout_is_a_timeout_and_says_what_was_heard_last(run, given_time):
    def check(seconds):
        with pytest.raises(AttemptTimeout) as caught:
            run("shell", command="echo still here >&2; sleep 60", timeout=seconds)
        assert re.search(rf"within {seconds:g} s and was killed.*: still here", str(caught.value))

    given_time(check)
    with pytest.raises(AttemptTimeout):
        run("shell", command="sleep 60", timeout=0.2, ignore_errors=True)


def test_what_a_command_printed_until_its_timeout_is_kept(run, given_time):
    def check(seconds):
        with pytest.raises(AttemptTimeout) as caught:
            run("shell", command=r"printf 'so far \303'; echo heard >&2; sleep 60", timeout=seconds)
        outputs = caught.value.outputs
        assert (outputs["stdout"], outputs["stderr"]) == ("so far ", "heard\n")
        assert outputs["error"] == str(caught.value)
        assert pickle.loads(pickle.dumps(caught.value)).outputs == outputs

    given_time(check)


def test_the_deadline_of_the_attempt_counts_too(run):
    with pytest.raises(AttemptTimeout):
        run("shell", command="sleep 60", timeout=50, attempt=Attempt(deadline=time.monotonic() + 0.2))


def test_a_cancelled_run_ends_the_command_and_starts_no_other(run, tmp_path):
    cancel = CancelToken()
    threading.Timer(0.2, cancel.cancel).start()
    for command in ("sleep 60", f"touch {tmp_path}/started"):
        with pytest.raises(Stopped, match="cancelled") as caught:
            run("shell", command=command, attempt=Attempt(cancel=cancel))
        assert not caught.value.retryable
    assert not (tmp_path / "started").exists()


def resolved(command, **names):
    return compile_command(command, allow_raw=False).resolve(Scope(names))


VALUES = [
    *["plain", "", "a b", "-n", "\n\n", "*", "a;b|c&d", "é\u202e", "\udcff"],
    *["$HOME `id` $(id)", 'it\'s "quoted"'],
]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(
    "command",
    ["printf %s ${x}", "printf '%s' \"${x}\" | cat", "env printf %s ${x}", ["printf", "%s", "${x}"]],
)
def test_values_reach_the_command_byte_for_byte(run, command, value):
    command = resolved(command, x=value)
    outputs = run("shell", command=command, strip_newline=False, encoding="auto").outputs
    said = outputs["stdout"]
    arrived = base64.b64decode(said) if outputs["stdout_is_binary"] else said.encode()
    assert arrived == os.fsencode(value)


def test_a_value_too_large_for_an_argument_goes_by_a_file_that_is_gone_afterwards(run, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    command = resolved("printf '%s' \"${x}\" | wc -c", x="é" * 500_000)
    assert command.large
    assert run("shell", command=command).outputs["stdout"].strip() == "1000000"
    assert os.listdir(tmp_path) == []
    with pytest.raises(NodeError):
        run("shell", command=resolved('test -z "${x}"', x="y" * 500_000))
    assert os.listdir(tmp_path) == []


def test_a_large_value_that_cannot_be_stored_says_so(run, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(NodeError, match="cannot store a large value for the command in"):
        run("shell", command=resolved("test ${x}", x="y" * 500_000))


def test_a_command_that_needs_no_shell_runs_without_one_and_falls_back_to_it(run, tmp_path):
    command = resolved("env -i ${x}", x="pwd")
    assert command.argv
    assert command.script
    assert run("shell", command=command, cwd=str(tmp_path)).outputs["stdout"] == str(tmp_path)
    script = tmp_path / "script"
    script.write_text('echo "by the shell: $1"\n')
    script.chmod(0o755)
    command = resolved(f"{script} ${{x}}", x="a b")
    assert command.argv
    assert run("shell", command=command).outputs["stdout"] == "by the shell: a b"
    error = failure(run, command=resolved("nosuchcommand ${x}", x="a"))
    assert error.outputs["exit_code"] == 127
    assert "nosuchcommand: not found" in error.outputs["stderr"]
    error = failure(run, command=resolved("env ${x}", x="a"), cwd="/no/such/folder")
    assert "(`cwd`) does not exist" in error.message


def test_values_do_not_reach_what_the_command_starts(run):
    command = resolved("x=${x}; env | grep -c secret; true", x="secret")
    assert run("shell", command=command).outputs["stdout"] == "0"
