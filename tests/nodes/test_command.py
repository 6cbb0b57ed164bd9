"""The node behind ``map``."""

import threading

import pytest

from batchmill.attempt import Attempt
from batchmill.errors import AttemptTimeout, NodeError, Stopped, StorageError, UnsafeValue
from batchmill.nodes import bind
from batchmill.nodes.command import CommandNode, key_of
from batchmill.nodes.placeholders import Placeholder
from batchmill.nodes.spool import IN_MEMORY
from batchmill.template import Scope
from batchmill.template.shell import compile_command


@pytest.fixture
def run(tmp_path):
    def call(command, **params):
        return (
            CommandNode()
            .run(bind(CommandNode, {"command": command, "outputs": str(tmp_path), **params}), Attempt())
            .outputs
        )

    return call


def test_every_byte_is_kept_as_it_is(run):
    outputs = run(r"printf 'a\377\n\n'; printf 'e\376' >&2")
    assert outputs == {"stdout": "a\udcff\n\n", "stderr": "e\udcfe", "exit_code": 0}


def test_what_is_much_is_in_files(run, tmp_path):
    outputs = run("head -c 2000000 /dev/zero; head -c 100000 /dev/zero >&2")
    assert (outputs["stdout"], outputs["stderr"]) == ("", "")
    with open(outputs["stdout_file"], "rb") as out, open(outputs["stderr_file"], "rb") as err:
        assert (out.read(), err.read()) == (bytes(2_000_000), bytes(100_000))
    assert len(list(tmp_path.iterdir())) == 2
    assert "stdout_file" not in run(f"head -c {IN_MEMORY} /dev/zero")


def test_a_command_that_failed_has_printed_all_the_same(run):
    with pytest.raises(NodeError) as caught:
        run("echo out; seq 100000; echo why >&2; exit 3")
    outputs = caught.value.outputs
    with open(outputs["stdout_file"]) as file:
        assert file.read().splitlines()[:2] == ["out", "1"]
    assert (outputs["stderr"], outputs["exit_code"]) == ("why\n", 3)
    assert str(caught.value) == "the command failed with exit code 3: why"


def test_a_command_that_was_too_slow_too(run, given_time):
    def check(seconds):
        with pytest.raises(AttemptTimeout) as caught:
            run("echo out; sleep 60", timeout=seconds)
        assert caught.value.outputs["stdout"] == "out\n"

    given_time(check)


def test_nothing_is_left_of_a_command_that_was_cancelled(tmp_path):
    attempt = Attempt()
    params = bind(CommandNode, {"command": "seq 100000; sleep 60", "outputs": str(tmp_path)})
    timer = threading.Timer(0.5, attempt.cancel.cancel)
    timer.start()
    with pytest.raises(Stopped, match="cancelled"):
        CommandNode().run(params, attempt)
    timer.join()
    assert list(tmp_path.iterdir()) == []


def test_an_attempt_takes_the_place_of_the_one_before(tmp_path):
    params = {"command": "seq 9000; exit 1", "outputs": str(tmp_path), "env": {"BATCHMILL_INDEX": "3"}}
    for number in (1, 2, 3):
        with pytest.raises(NodeError):
            CommandNode().run(bind(CommandNode, params), Attempt(number))
        assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(NodeError):
        CommandNode().run(bind(CommandNode, {**params, "env": {"BATCHMILL_INDEX": "33"}}), Attempt(2))
    assert len(list(tmp_path.iterdir())) == 2, "another item's is left alone"


def test_a_value_too_large_for_an_argument_lies_beside_what_is_printed(run, tmp_path):
    command = compile_command("ls -d $(dirname ${v})/* | wc -l; : ${large}", allow_raw=False)
    scope = Scope({"v": str(tmp_path / "x"), "large": "y" * 200_000})
    assert run(command.resolve(scope))["stdout"].strip() == "1"
    assert list(tmp_path.iterdir()) == []


def test_exit_codes_that_are_no_failure(run):
    assert run("exit 1", ok_codes=[0, 1])["exit_code"] == 1
    with pytest.raises(NodeError):
        run("exit 0", ok_codes=[1])
    with pytest.raises(NodeError, match="command not found"):
        run(["nosuchcommand"], ok_codes=[0, 1])


def test_a_folder_that_is_gone_is_the_items_error(run, tmp_path):
    with pytest.raises(StorageError, match=r"the output of the command cannot be kept in .*No such file"):
        run("seq 100000", outputs=str(tmp_path / "none"))


def test_what_templates_see(tmp_path):
    names = [Placeholder("{}"), Placeholder("{#}"), Placeholder("{%}")]
    params = {"placeholders": [one.as_json() for one in names], "run": "r", "outputs": str(tmp_path)}
    with (
        CommandNode().seen("x", 4, params) as seen,
        CommandNode().seen("y", 5, params) as beside,
    ):
        assert seen == {"{}": "x", "{#}": "5", "{%}": "1", "index": "4", "key": key_of("x", "r"), "text": "x"}
        assert beside["{%}"] == "2"
    with pytest.raises(StorageError, match="no slot can be taken"):
        CommandNode().seen("x", 4, {**params, "outputs": str(tmp_path / "none")}).__enter__()


def test_messages_name_the_placeholder_that_was_typed():
    with pytest.raises(UnsafeValue, match=r"the value of \{item.a\} has"), CommandNode().seen("x", 0, {}):
        raise UnsafeValue('the value of ${item["{item.a}"] | raw} has a NUL')


def test_keys_are_of_the_item_and_its_run():
    assert key_of({"a": 1, "b": 2}, "r") == key_of({"b": 2, "a": 1}, "r")
    assert len({key_of("a", "r"), key_of("b", "r"), key_of("a", "q"), key_of(["a"], "r")}) == 4
    assert len(key_of("caf\udce9", "r")) == 32
