"""What a command becomes: its script, its variables, its words, and how it travels."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
from pathlib import Path
from typing import Any

import pytest

from batchmill.errors import TemplateSyntaxError, UnresolvedReference, UnsafeValue
from batchmill.template import Scope, ShellCommand, StructureSyntaxError, compile_command
from batchmill.template.shell.script import MAX_STRING_BYTES


def resolve(command: Any, allow_raw: bool = False, **values: Any) -> ShellCommand:
    return compile_command(command, allow_raw=allow_raw).resolve(Scope(values))


def written(command: str, allow_raw: bool = False, **values: Any) -> str:
    """The script without the line that sets its variables."""
    return resolve(command, allow_raw, **{"x": "X", "y": "Y", "n": 5, **values}).script.rpartition(
        "_VALUE; "
    )[2]


def run(command: ShellCommand, folder: Path, shell: str = "sh", **env: str) -> tuple[int, bytes, bytes]:
    """Run the script: exit code, output, errors."""
    made = [0]

    def store(text: str) -> str:
        made[0] += 1
        path = folder / f"large{made[0]}"
        path.write_bytes(os.fsencode(text))
        return str(path)

    arguments = ShellCommand(script=command.script).arguments(shell)
    environment = {**os.environ, **env, **command.environment(store)}
    done = subprocess.run(
        arguments, env=environment, capture_output=True, stdin=subprocess.DEVNULL, cwd=folder
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("echo ${x}", 'echo "${BATCHMILL_V1}"'),
        ("echo ${x} ${y} ${x}", 'echo "${BATCHMILL_V1}" "${BATCHMILL_V2}" "${BATCHMILL_V1}"'),
        ('echo "a ${x} $HOME"', 'echo "a ${BATCHMILL_V1} $HOME"'),
        ("echo 'a ${x}b'", "echo 'a '\"${BATCHMILL_V1}\"'b'"),
        ("echo a${x}b --o=${y}", 'echo a"${BATCHMILL_V1}"b --o="${BATCHMILL_V2}"'),
        ('echo "$(cat ${x} "${y}")"', 'echo "$(cat "${BATCHMILL_V1}" "${BATCHMILL_V2}")"'),
        ("echo `cat '${x}'`", "echo $( cat ''\"${BATCHMILL_V1}\"'' )"),
        ("echo $((${n} + 1))", "echo $((${BATCHMILL_V1} + 1))"),
        ("echo $'a\\n${x}b\\n'", "echo $'a\\n'\"${BATCHMILL_V1}\"$'b\\n'"),
        ("echo $'a\\n${x}b'", "echo $'a\\n'\"${BATCHMILL_V1}\"'b'"),
        ("echo a # ${x}\necho ${y}", 'echo a # \necho "${BATCHMILL_V1}"'),
        ('cat <<E\n${x}`a` "\nE\n', 'cat <<E\n${BATCHMILL_V1}`a` "\nE\n'),
        (
            "cat <<'E' -\n${x}`a` \\$\nE\n",
            "cat <<BATCHMILL_END_OF_TEXT -\n${BATCHMILL_V1}\\`a\\` \\\\\\$\nBATCHMILL_END_OF_TEXT\n",
        ),
        ("cat <<'E'\n$x `a`\nE\necho ${x}", "cat <<'E'\n$x `a`\nE\necho \"${BATCHMILL_V1}\""),
        ("eval \"echo '${x}'\"", "eval 'echo '\\'''\\''\"${BATCHMILL_V1}\"'\\'''\\'''"),
        ("A=1 sh -c 'echo ${x}' b", 'A=1 BATCHMILL_V1="${BATCHMILL_V1}" sh -c \'echo "${BATCHMILL_V1?}"\' b'),
        ("echo $${HOME} ${x}", 'echo ${HOME} "${BATCHMILL_V1}"'),
        ("echo BATCHMILL_V1 ${x}", 'echo BATCHMILL_V1 "${BATCHMILL_V_1}"'),
    ],
)
def test_rewriting(command: str, script: str) -> None:
    assert written(command) == script


def test_a_command_without_templates_is_left_alone() -> None:
    text = "echo 'unclosed $(( `\n<<"
    assert resolve(text) == ShellCommand(script=text)
    assert resolve("a $${b:-c} $d").script == "a ${b:-c} $d"
    assert compile_command(text, allow_raw=False).constant


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        ("ls", ("ls",)),
        ("  ls\t-l   ${x} ", ("ls", "-l", "X Y")),
        ("ls 'a b'\"c ${x}\"d${n}", ("ls", "a bc X Yd5")),
        ("ls '' ${empty} \"\"", ("ls", "", "", "")),
        ("/bin/echo ${x} '\\n'", ("/bin/echo", "X Y", "\\n")),
        ("git log --format='%H %s'", ("git", "log", "--format=%H %s")),
        ("'ls' ${doc}", ("ls", '{"a": [1, null, "é"]}')),
        ("sh -c 'echo $1' sh ${x}", ("sh", "-c", "echo $1", "sh", "X Y")),
        ("true", ("true",)),
        ("sleep 0.1", ("sleep", "0.1")),
    ],
)
def test_a_command_that_needs_no_shell(command: str, argv: tuple[str, ...]) -> None:
    made = resolve(command, x="X Y", n=5, empty="", doc={"a": [1, None, "é"]})
    assert made.argv == argv
    assert made.script
    assert made.arguments() == list(argv)


NEED_A_SHELL = [
    "echo ${x}",
    "printf ${x}",
    "[ a ]",
    "cd ${x}",
    "exit",
    ":",
    "time ls",
    "if",
    "A=1 ls",
    "=ls",
    "ls =a",
    "ls $HOME",
    "ls `a`",
    "ls \\a",
    "ls a;b",
    "ls a&",
    "ls|cat",
    "ls<a",
    "ls>a",
    "(ls)",
    "{ ls; }",
    "ls *",
    "ls ?",
    "ls [a]",
    "ls #a",
    "ls ~",
    "ls !",
    "ls ^a",
    "ls a\nls b",
    'ls "$x"',
    'ls "`x`"',
    'ls "\\""',
    "ls é",
    "${x}",
    "'' a",
    "'",
    "",
    "   ",
    "sh -c 'echo ${x}'",
    "ssh ${x} uptime",
]


def test_a_command_that_needs_a_shell() -> None:
    for command in NEED_A_SHELL:
        made = resolve(command, x="X")
        assert made.argv == (), command
        assert made.arguments("bash") == ["bash", "-c", made.script, "sh"]


def test_values_as_text() -> None:
    values = {"t": True, "n": None, "f": 1.5, "l": [1, "a"], "d": {"k": "é"}, "j": '{"a":   1}'}
    made = resolve("cmd ${t} ${n} ${f} ${l} ${d} ${j}", **values)
    assert made.argv == ("cmd", "True", "", "1.5", '[1, "a"]', '{"k": "é"}', '{"a":   1}')
    listed = resolve(
        ["cmd", "${t}", "a${n}b", "${f}", "${l}", "${d}", "${j}", 3, None, "$${x}", "$x"], **values
    )
    assert listed.argv == (
        *("cmd", "True", "ab", "1.5", '[1, "a"]', '{"k": "é"}', '{"a":   1}'),
        "3",
        "",
        "${x}",
        "$x",
    )
    assert listed.script == ""


def test_the_script_keeps_its_positional_parameters(tmp_path: Path) -> None:
    made = resolve(
        'set -u; echo "$0 $# [$*]"; f() { echo "$1" ${x}; shift; echo $#; }; '
        'f ${y} b; set -- c; echo "$1" ${x}',
        x="X",
        y="Y",
    )
    assert run(made, tmp_path)[1] == b"sh 0 []\nY X\n1\nc X\n"


def test_commands_do_not_inherit_the_values(tmp_path: Path) -> None:
    made = resolve("env; : ${x}", x="secret value")
    assert made.env == {"BATCHMILL_V1_VALUE": "secret value"}
    code, out, _ = run(made, tmp_path, BATCHMILL_V1="exported by somebody")
    assert code == 0
    assert b"secret" not in out
    assert b"BATCHMILL_V" not in out


def test_a_script_that_is_handed_on_inherits_only_what_it_needs(tmp_path: Path) -> None:
    made = resolve("sh -c 'env; : ${x}'; env; : ${y}", x="needed", y="secret")
    code, out, _ = run(made, tmp_path)
    assert code == 0
    assert out.count(b"needed") == 1
    assert b"secret" not in out


def test_a_script_that_lost_its_variable_stops(tmp_path: Path) -> None:
    code, out, errors = run(resolve("env -i sh -c 'echo a ${x}; echo ran'", x="X"), tmp_path)
    assert code != 0
    assert out == b""
    assert b"BATCHMILL_V1" in errors


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_line_numbers_are_the_scripts_own(shell: str, tmp_path: Path) -> None:
    errors = run(resolve(": ${x}\n:\nnosuchcommand", x="X"), tmp_path, shell)[2]
    assert b"3" in errors.partition(b"nosuchcommand")[0]


SIZES = [0, 1, 4096, MAX_STRING_BYTES - 100, MAX_STRING_BYTES, MAX_STRING_BYTES + 1, 200_000, 3_000_000]


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("end", ["x", "\n\n", "é", "\udcff", ".", "\\"])
def test_large_values(shell: str, end: str, tmp_path: Path) -> None:
    for size in SIZES:
        value = "a" * size + end
        made = resolve("cat <<EOF\n${x}\nEOF\n", x=value)
        assert bool(made.large) == (size >= MAX_STRING_BYTES)
        code, out, errors = run(made, tmp_path, shell)
        assert (code, errors) == (0, b"")
        assert out == os.fsencode(value) + b"\n"


def test_many_values_that_are_large_together(tmp_path: Path) -> None:
    values = {f"v{number}": f"{number}" * 100_000 for number in range(1, 30)}
    script = "\n".join(f"cat <<EOF\n${{{name}}}\nEOF" for name in values)
    made = resolve(script, **values)
    assert made.large
    assert made.env
    assert run(made, tmp_path)[1].decode().split() == list(values.values())


def test_a_program_cannot_be_given_a_large_argument(tmp_path: Path) -> None:
    made = resolve("/bin/true ${x}", x="a" * 200_000)
    assert made.argv == ()
    code, _, errors = run(made, tmp_path)
    assert code == 126
    assert b"too long" in errors
    with pytest.raises(UnsafeValue, match=r"element 1 of the command is larger .* `stdin`"):
        resolve(["true", "${x}"], x="a" * 200_000)
    with pytest.raises(UnsafeValue, match="the command's text is larger"):
        resolve("true ${x | raw}", allow_raw=True, x="a" * 200_000)
    with pytest.raises(UnsafeValue, match="the command's text is larger"):
        resolve("true " + "a" * 200_000)


def test_a_large_value_that_cannot_be_read_ends_the_script(tmp_path: Path) -> None:
    made = resolve("echo ran; : ${x}", x="a" * 200_000)
    environment = {**os.environ, **made.environment(lambda text: str(tmp_path / "missing"))}
    done = subprocess.run(made.arguments(), env=environment, capture_output=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (125, b"")


def test_raw_is_pasted_where_it_is_allowed() -> None:
    with pytest.raises(TemplateSyntaxError, match='"allow_raw": true') as caught:
        compile_command("a ${x} ${y | raw}", allow_raw=False)
    assert caught.value.position == 7
    assert written("ls ${flags | raw} ${x}", True, flags="-l; ls") == 'ls -l; ls "${BATCHMILL_V1}"'
    assert written("'${x | raw}' \"${x | raw}\" # ${x | raw}", True) == "'X' \"X\" # "
    assert written("cat <<'E'\n${x | raw}\nE\n", True, x="$(id)").endswith(
        "\n${BATCHMILL_V1}\nBATCHMILL_END_OF_TEXT\n"
    )
    assert resolve(["a", "${x | raw}"], x="b c").argv == ("a", "b c")


@pytest.mark.parametrize(
    ("command", "position"),
    [("echo a $${b} \\${x}", 14), ("eval ${x}", 5), ("$${a}${x}() { :; }", 5), ("a '${x}", 2)],
)
def test_faults_are_placed_in_the_template(command: str, position: int) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        compile_command(command, allow_raw=False)
    assert caught.value.position == position


def test_faults_of_other_kinds() -> None:
    with pytest.raises(StructureSyntaxError) as caught:
        compile_command(["a", "${b"], allow_raw=False)
    assert caught.value.path == (1,)
    with pytest.raises(TemplateSyntaxError, match="a string or a list, not a number"):
        compile_command(3, allow_raw=False)
    with pytest.raises(TemplateSyntaxError, match="cannot hold NUL"):
        compile_command("a\0b ${x}", allow_raw=False)
    with pytest.raises(TemplateSyntaxError, match="cannot hold NUL"):
        compile_command("a\0b", allow_raw=False)
    with pytest.raises(UnresolvedReference):
        resolve("echo ${gone}")
    with pytest.raises(TemplateSyntaxError, match="cannot be used in a command with a here-document"):
        compile_command("cat <<'E'\n${x}\nBATCHMILL_END_OF_TEXT\nE\n", allow_raw=False)


def test_what_is_in_a_comment_is_not_resolved() -> None:
    assert written("echo a # ${gone}") == "echo a # "


def test_a_permissive_scope_hands_over_the_text_of_the_template() -> None:
    scope = Scope({}, permissive=True)
    assert compile_command("ls ${gone}", allow_raw=False).resolve(scope).argv == ("ls", "${gone}")
    assert scope.unresolved == ["${gone}"]


@pytest.mark.parametrize("command", ["echo ${a[${i}].b} '${c ?? 1}'", ["x", "${a[${i}].b}${c ?? 1}"]])
def test_references_and_copies(command: Any) -> None:
    template = compile_command(command, allow_raw=False)
    assert [one.text for one in template.references] == ["a[${i}].b", "i", "c"]
    assert [one.text for one in template.expressions] == ["${a[${i}].b}", "${c ?? 1}"]
    assert not template.constant
    assert copy.deepcopy(template) is template
    scope = Scope({"a": [{"b": "B"}], "i": 0})
    assert pickle.loads(pickle.dumps(template)).resolve(scope) == template.resolve(scope)
    assert pickle.loads(pickle.dumps(template.resolve(scope))) == template.resolve(scope)
