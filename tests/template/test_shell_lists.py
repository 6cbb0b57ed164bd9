"""A list as several arguments of a command: ``cat ${files[*]}``."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from batchmill.errors import TemplateSyntaxError, UnresolvedReference, UnsafeValue
from batchmill.template import Scope, ShellCommand, compile_command
from batchmill.template.shell.script import MAX_STRING_BYTES

FILES = ["a b", "it's", "", "$(touch x)", '"', "-n", "line\nbreak", "é"]
SHOW = "printf '<%s>' "


def resolve(command: Any, allow_raw: bool = False, **values: Any) -> ShellCommand:
    return compile_command(command, allow_raw=allow_raw).resolve(Scope({"files": FILES, **values}))


def printed(command: ShellCommand, folder: Path) -> str:
    arguments = ShellCommand(script=command.script).arguments()
    environment = {**os.environ, **command.environment(lambda text: "")}
    done = subprocess.run(arguments, env=environment, capture_output=True, cwd=folder, check=True)
    assert not list(folder.iterdir())
    return done.stdout.decode()


@pytest.mark.parametrize("count", [0, 1, 8])
@pytest.mark.parametrize(
    "command",
    [
        "for f in ${files[*]}; do printf '<%s>' \"$f\"; done",
        'show() { for f in "$@"; do printf \'<%s>\' "$f"; done; }; show ${files[*]}',
        "for f in `printf ''` ${files[*]} ; do printf '<%s>' \"$f\"; done | cat",
        'sh -c \'for f in ${files[*]}; do printf "<%s>" "$f"; done\'',
        'sh -c \'for f; do printf "<%s>" "$f"; done\' sh ${files[*]}',
        "set -- ${files[*]}\nfor f; do printf '<%s>' \"$f\"; done",
    ],
)
def test_each_element_is_an_argument_as_it_is(command: str, count: int, tmp_path: Path) -> None:
    files = FILES[:count]
    assert printed(resolve(command, files=files), tmp_path) == "".join(f"<{one}>" for one in files)


def test_without_a_shell_too() -> None:
    assert resolve("cat ${files[*]} x").argv == ("cat", *FILES, "x")
    assert resolve(["cat", "${files[*]}", "x"]).argv == ("cat", *FILES, "x")
    assert resolve(["cat", "${files[*]}"], files=[]).argv == ("cat",)
    assert resolve("cat ${files[*]}", files=[]).argv == ("cat",)


def test_what_lies_in_the_elements_and_filters_of_lists() -> None:
    rows = [{"p": "b", "n": [1, None]}, None, {"p": "a", "n": {"k": "é"}}]
    assert resolve("cat ${rows[*].p | sort}", rows=rows).argv == ("cat", "a", "b")
    assert resolve(["cat", "${rows[*].n}"], rows=rows).argv == ("cat", "[1, null]", '{"k": "é"}')
    assert resolve("cat ${rows[*] ?? []} x").argv == ("cat", "x")
    assert resolve("cat ${rows[*] ?? 'one two'} x").argv == ("cat", "one two", "x")


@pytest.mark.parametrize(
    "command",
    [
        'cat "${x[*]}"',
        "cat '${x[*]}'",
        "cat ${x}",
        "cat ${x[*] | json}",
        ["cat", "${x}"],
        ["cat", "${x[*] | json}"],
    ],
)
def test_anywhere_else_it_is_json_text(command: Any) -> None:
    assert resolve(command, x=["a", 1]).argv == ("cat", '["a", 1]')


def test_as_a_part_of_a_word_it_is_json_text() -> None:
    assert resolve("cat a${x[*]} ${x[*]}", x=["a", 1]).argv == ("cat", 'a["a", 1]', "a", "1")
    assert resolve(["cat", "a${x[*]}"], x=["a", 1]).argv == ("cat", 'a["a", 1]')


@pytest.mark.parametrize(
    "command",
    [
        "${files[*]}",
        "A=1 ${files[*]} x",
        "true | ${files[*]}",
        ["${files[*]}", "x"],
        "cat x > ${files[*]}",
        "cat < ${files[*]}",
        "[ ${files[*]} = x ]",
        "timeout 5 ${files[*]}",
        ["nice", "-n", "5", "${files[*]}"],
        "xargs -I {} ${files[*]}",
        "find . -exec ${files[*]} {} +",
        "sh -c ${files[*]}",
        "eval ${files[*]}",
        "ssh host ls ${files[*]}",
        "unset ${files[*]}",
        "for ${files[*]} in a; do :; done",
    ],
)
def test_places_where_a_list_would_be_more_than_arguments(command: Any) -> None:
    with pytest.raises(TemplateSyntaxError):
        compile_command(command, allow_raw=False)


@pytest.mark.parametrize(
    ("command", "files", "other"),
    [
        ("sh ${files[*]}", ["-c", "code"], ""),
        (["sh", "${files[*]}", "x"], ["-c", "code"], ""),
        ("timeout 5 sh ${files[*]}", ["-c", "code"], ""),
        ("python3 -u ${files[*]}", ["-c", "code"], ""),
        ("sort ${files[*]}", ["--compress-program=code"], ""),
        ("find ${files[*]} -name x", [".", "-exec", "code"], ""),
        ("awk ${files[*]} f", ["BEGIN { code }"], ""),
        ("awk ${files[*]} ${other}", [], "BEGIN { code }"),
        (["awk", "${files[*]}", "${other}"], [], "BEGIN { code }"),
        ("awk -v ${files[*]} ${other}", ["a=1", "BEGIN { code }"], ""),
        (["sed", "-l", "${files[*]}", "x"], ["5", "1e code"], ""),
        ("echo $((1)); f() { echo $(($2)); }; f ${files[*]}", ["1", "a[code]"], ""),
        ("f() { echo $(($2)); }; f ${files[*]} ${other}", ["1", "2", "3"], "a[code]"),
    ],
)
def test_no_element_becomes_code(command: Any, files: list[str], other: str) -> None:
    with pytest.raises((UnsafeValue, TemplateSyntaxError)):
        resolve(command, files=files, other=other)


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        ("sh x.sh ${files[*]}", ("sh", "x.sh", "-c", "x")),
        ("python3 -m mod ${files[*]}", ("python3", "-m", "mod", "-c", "x")),
        ("timeout 5 cat ${files[*]}", ("timeout", "5", "cat", "-c", "x")),
        ("git add -- ${files[*]}", ("git", "add", "--", "-c", "x")),
        (["python3", "-c", "pass", "${files[*]}"], ("python3", "-c", "pass", "-c", "x")),
    ],
)
def test_arguments_of_a_script_may_be_options(command: Any, argv: tuple[str, ...]) -> None:
    assert resolve(command, files=["-c", "x"]).argv == argv


def test_as_many_as_a_program_can_take() -> None:
    many = [f"file-{number:05}" for number in range(20_000)]
    command = resolve("cat ${files[*]}", files=many)
    assert command.argv == ("cat", *many)
    assert command.script == ""  # which would be too long
    with pytest.raises(UnsafeValue, match="run the program without a shell"):
        resolve("cat ${files[*]} | wc -l", files=many)
    with pytest.raises(UnsafeValue, match=r"\$\{files\[\*\]\}|element"):
        resolve("cat ${files[*]}", files=["x" * (MAX_STRING_BYTES + 1), "\0"])


def test_a_list_that_is_missing_is_told() -> None:
    with pytest.raises(UnresolvedReference, match="nothing"):
        resolve("cat ${nothing[*]}")
