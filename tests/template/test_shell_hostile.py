"""Hostile values in every quoting position, under every shell there is: each command must see the value
byte for byte, and nothing else may run.

A value that tries to run something would leave a file named ``pwned`` behind.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from batchmill.errors import UnsafeValue
from batchmill.template import Scope, ShellCommand, compile_command

VALUES = [
    "plain",
    "",
    " ",
    "  two  blanks  ",
    "\t tab \t",
    "line\nbreak",
    "trailing newline\n",
    "many\n\n\n",
    "\n",
    "\n\n leading",
    "carriage\rreturn\r\n",
    "\x0b\x0c vertical",
    "'",
    '"',
    "`",
    "''",
    '""',
    "it's",
    'say "hi"',
    "'\"'\"'",
    "$",
    "$$",
    "$HOME",
    "${HOME}",
    "${IFS}",
    "$(touch pwned)",
    "`touch pwned`",
    "$((1+1))",
    "$[1+1]",
    "a[$(touch pwned)]",
    "; touch pwned",
    "& touch pwned &",
    "| touch pwned",
    "|| touch pwned",
    "\ntouch pwned\n",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "'$(touch pwned)'",
    '"$(touch pwned)"',
    "\"'$(touch pwned)'\"",
    "\\'; touch pwned; \\'",
    ")",
    "); touch pwned; (",
    "$(",
    "${",
    "}",
    "} ; touch pwned; {",
    "> pwned",
    "< /etc/passwd",
    ">&2",
    "2>pwned",
    "<(touch pwned)",
    "<<EOF",
    "EOF",
    "EOF\ntouch pwned\n",
    "\nEOF\ntouch pwned\n",
    "BATCHMILL_END_OF_TEXT\ntouch pwned",
    "-",
    "--",
    "-n",
    "-e",
    "-rf",
    "-v",
    "-c touch pwned",
    "--help",
    "*",
    "?",
    "[a-z]*",
    "/*",
    "{a,b}",
    "{1..3}",
    "~",
    "~root",
    "=ls",
    "=(touch pwned)",
    "#comment",
    "a #comment",
    "!",
    "!!",
    "!$",
    "%",
    "%s%n%d",
    "%q",
    "\\",
    "a\\",
    "\\\\",
    "\\n\\t\\0\\x41\\c",
    "$'\\x41'",
    "a\\\nb",
    "^old^new",
    "a=b",
    "PATH=/nowhere",
    "1",
    "0x10",
    "(a b)",
    "(*)",
    "x; y",
    "é ü ß Á ÿ",
    "日本語",
    "😀",
    "‮right to left",
    "\u00a0no-break\u2003em",
    "\x01\x02\x7f",
    "\x81\x82\x88",
    "\x1b[31mred\x1b[0m\x07",
    "\udc80\udcff",
    "\udc81\udc82\udc88\udc83",
    "${x}",
    "$${x}",
    "${BATCHMILL_V1}",
    "$1 $@ $*",
    "() { :; }; touch pwned",
    "a" * 5000,
    "'" * 300,
    "\\" * 301,
]

REFUSED = ["nul\0byte", "\0", "\ud800", "half \udfff pair"]

_SHELLS = {
    "sh": ["sh"],
    "bash": ["bash"],
    "dash": ["dash"],
    "zsh": ["zsh"],
    "mksh": ["mksh"],
    "ksh93": ["ksh93"],
    "busybox": ["busybox", "sh"],
}


def _installed() -> dict[str, list[str]]:
    """The shells of this machine, each program once; sh and bash are expected on every one."""
    kept: dict[str, str] = {}
    for name, argv in _SHELLS.items():
        if path := shutil.which(argv[0]):
            kept.setdefault(os.path.realpath(path), name)
    return {name: argv for name, argv in _SHELLS.items() if name in kept.values() or name == "bash"}


SHELLS = _installed()


def resolve(command: str | list[str], values: dict[str, object], *, allow_raw: bool = False) -> ShellCommand:
    """``command`` with the values in place."""
    return compile_command(command, allow_raw=allow_raw).resolve(Scope(values))


def run(command: ShellCommand, shell: list[str], folder: Path) -> bytes:
    """What the script of a command writes; anything on its standard error fails the test."""
    numbers = iter(range(len(command.large)))

    def store(text: str) -> str:
        path = folder.parent / f"{folder.name}.large{next(numbers)}"
        path.write_bytes(os.fsencode(text))
        return str(path)

    environment = {**os.environ, **command.environment(store)}
    arguments = [*shell, "-c", command.script, "sh"]
    done = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=60
    )
    assert done.stderr == b""
    return done.stdout


# A piece of a command with V for the template, and what it must write for a value. Each ends its output
# with NUL, which no value holds.
Expected = Callable[[str], str]
POSITIONS: dict[str, tuple[str, Expected]] = {
    "bare": (r"printf '%s\0' V", lambda v: v),
    "double quotes": (r"""printf '%s\0' "V" """, lambda v: v),
    "single quotes": (r"printf '%s\0' 'V'", lambda v: v),
    "escaped double quotes": (r"""printf '%s\0' "\"V\\" """, lambda v: f'"{v}\\'),
    "within a word": (
        r"""printf '%s\0' a'V'"V"V--b='cVd'"eVf"gVh""",
        lambda v: f"a{v}{v}{v}--b=c{v}de{v}fg{v}h",
    ),
    "two words": (r"""printf '%s\0%s\0' V "V" """, lambda v: f"{v}\0{v}"),
    "a program": (r"/usr/bin/printf '%s\0' V", lambda v: v),
    "substitution": (r"""printf '%s\0' "$(printf '%s.' V)" """, lambda v: f"{v}."),
    "substitution, double": (r"""printf '%s\0' "$(printf '%s.' "V")" """, lambda v: f"{v}."),
    "substitution, single": (r"""printf '%s\0' "$(printf '%s.' 'V')" """, lambda v: f"{v}."),
    "nested substitution": (
        r"""printf '%s\0' "$(printf '%s.' "$(printf '%s.' "V")")" """,
        lambda v: f"{v}..",
    ),
    "substitution with case": (
        r"""printf '%s\0' "$(case a in (b) :;; a) printf '%s.' V;; esac)" """,
        lambda v: f"{v}.",
    ),
    "backquotes": (r"""printf '%s\0' "`printf '%s.' 'V'`" """, lambda v: f"{v}."),
    "here-document": ("cat <<EOF; printf '\\0'\n<V>\"'V'\"\nEOF\n", lambda v: f"<{v}>\"'{v}'\"\n"),
    "quoted here-document": (
        "cat <<'EOF'; printf '\\0'\n<V> $HOME `date` \\\\ \\$x \"'V'\" \\\nEOF\n",
        lambda v: f"<{v}> $HOME `date` \\\\ \\$x \"'{v}'\" \\\n",
    ),
    "indented here-document": ("cat <<-E\\OF; printf '\\0'\n\tV.\n\tEOF\n", lambda v: f"{v}.\n"),
    "two here-documents": (
        "{ cat; cat <&3; } <<A 3<<'B'; printf '\\0'\nV.\nA\n-V.\nB\n",
        lambda v: f"{v}.\n-{v}.\n",
    ),
}

# In these, which start many processes, every third value is tried, beginning with a different one in each.
MORE_POSITIONS: dict[str, tuple[str, Expected]] = {
    "here-document in a substitution": (
        "printf '%s\\0' \"$(cat <<EOF\n(V \"V'\nEOF\n)\"",
        lambda v: f"({v} \"{v}'",
    ),
    "assignment": (r"""x=V; printf '%s\0' "$x" """, lambda v: v),
    "assignment for one command": (r"""X=V sh -c 'printf "%s\0" "$X"' """, lambda v: v),
    "export": (r"""export X=V; sh -c 'printf "%s\0" "$X"' """, lambda v: v),
    "loop": (r"""for f in V; do printf '%s\0' "$f"; done""", lambda v: v),
    "case": (r"""case V in V) printf '%s\0' V;; *) printf 'no\0';; esac""", lambda v: v),
    "if": (r"""if [ x = x ]; then printf '%s\0' V; else :; fi""", lambda v: v),
    "function": (r"""f() { printf '%s\0%s\0' "$1" V; }; f V""", lambda v: f"{v}\0{v}"),
    "positional parameters": (r"""set -- V; printf '%s\0' "$@"; set --""", lambda v: v),
    "pipeline": (r"""printf '%s\0' V | cat""", lambda v: v),
    "subshell and group": (r"""( { printf '%s\0' V; } )""", lambda v: v),
    "test": (r"""[ xV = x"V" ] && [ -n xV ] && printf '%s\0' V""", lambda v: v),
    "eval": (r"""eval 'printf "%s\0" V "V"'""", lambda v: f"{v}\0{v}"),
    "trap": (r"""(trap 'printf "%s\0" V' EXIT)""", lambda v: v),
    "argument of a script": (r"""sh -c 'printf "%s\0" "$1"' sh V""", lambda v: v),
    "within a script": (r"""sh -c 'printf "%s\0" V "V"'""", lambda v: f"{v}\0{v}"),
    "within a script, single": (r"""sh -c "printf '%s.' 'aVb' V"; printf '\0'""", lambda v: f"a{v}b.{v}."),
    "within scripts": (r"""sh -c 'sh -c "printf %s. V"'; printf '\0'""", lambda v: f"{v}."),
    "script of a script": (r"""env sh -c 'printf "%s\0" V'""", lambda v: v),
    "comment": ("printf 'a\\0' # V 'V\n", lambda v: "a"),
    "line continuation": ("printf \\\n'%s\\0' \\\nV", lambda v: v),
    "after the shell's own": (r"""printf '%s\0' $${X:-a}V"$${X:-b}V$#" """, lambda v: f"a{v}b{v}0"),
    "after arithmetic": (r"""printf '%s\0' "$((2 * (3 + 1)))V" """, lambda v: f"8{v}"),
}

BASH_POSITIONS: dict[str, tuple[str, Expected]] = {
    "dollar single quotes": (r"printf '%s\0' $'a\tV\n'", lambda v: f"a\t{v}\n"),
    "dollar double quotes": (r"""printf '%s\0' $"aVb" """, lambda v: f"a{v}b"),
    "here-string": (r"cat <<< V; printf '\0'", lambda v: f"{v}\n"),
    "array": (
        r"""a=(V "V"); printf '%s\0' "${#a[@]}:$${a[1]}" """.replace("${#", "$${#"),
        lambda v: f"2:{v}",
    ),
    "double brackets": (r"""[[ V == V && ! V != V ]] && printf '%s\0' V""", lambda v: v),
    "process substitution": (r"""cat <(printf '%s\0' V)""", lambda v: v),
    "local": (r"""f() { local x=V; printf '%s\0' "$x"; }; f""", lambda v: v),
    "function keyword": (r"""function f { printf '%s\0' V; }; f""", lambda v: v),
    "both streams": (r"""{ printf '%s\0' V; } &> out; cat out; rm out""", lambda v: v),
}


def _commands(position: tuple[str, Expected], values: list[str]) -> tuple[str, dict[str, object], bytes]:
    """One script that has each value in the position, one after the other, and its expected output."""
    written, expected = position
    names = {f"v{number}": value for number, value in enumerate(values)}
    script = "\n".join(written.replace("V", f"${{{name}}}") for name in names)
    output = "".join(expected(value) + "\0" for value in names.values())
    return script, dict(names), os.fsencode(output)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder that must be empty again afterwards, but for what the position itself writes."""
    made = tmp_path / "empty"
    made.mkdir()
    return made


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())
@pytest.mark.parametrize("position", POSITIONS.values(), ids=POSITIONS.keys())
def test_a_command_sees_every_value_as_it_is(
    position: tuple[str, Expected], shell: list[str], folder: Path
) -> None:
    _check(position, VALUES, shell, folder)


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())
@pytest.mark.parametrize("name", MORE_POSITIONS)
def test_a_command_sees_values_as_they_are_in_more_positions(
    name: str, shell: list[str], folder: Path
) -> None:
    first = list(MORE_POSITIONS).index(name) % 3
    _check(MORE_POSITIONS[name], VALUES[first::3], shell, folder)


@pytest.mark.parametrize("name", BASH_POSITIONS)
def test_bash_sees_values_as_they_are(name: str, folder: Path) -> None:
    first = list(BASH_POSITIONS).index(name) % 3
    _check(BASH_POSITIONS[name], VALUES[first::3], ["bash"], folder)


def _check(position: tuple[str, Expected], values: list[str], shell: list[str], folder: Path) -> None:
    script, names, expected = _commands(position, values)
    assert run(resolve(script, names), shell, folder).split(b"\0") == expected.split(b"\0")
    assert os.listdir(folder) == []


def test_a_value_names_a_file(folder: Path) -> None:
    named = [value for value in VALUES if value and "/" not in value and len(os.fsencode(value)) < 200]
    script = "\n".join(f"printf x > ${{v[{place}]}}; cat < '${{v[{place}]}}'" for place in range(len(named)))
    command = resolve(script, {"v": named})
    assert run(command, ["sh"], folder) == b"x" * len(named)
    assert sorted(os.listdir(os.fsencode(folder))) == sorted(map(os.fsencode, named))


def test_without_a_shell_a_program_is_given_the_value(folder: Path) -> None:
    for value in VALUES:
        plain = resolve(r"""/usr/bin/printf '%s\0' ${v} "a${v}" 'b${v}c'""", {"v": value})
        listed = resolve(["/usr/bin/printf", r"%s\0", "${v}", "a${v}", "b${v}c"], {"v": value})
        assert plain.argv == listed.argv
        done = subprocess.run(plain.argv, cwd=folder, capture_output=True, check=True)
        assert done.stdout == os.fsencode(f"{value}\0a{value}\0b{value}c\0")
    assert os.listdir(folder) == []


@pytest.mark.parametrize("value", REFUSED)
@pytest.mark.parametrize(
    "command", ["printf ${v}", "cat '${v}'", ["printf", "${v}"], "cat <<EOF\n${v}\nEOF\n"]
)
def test_what_no_program_can_be_given_is_refused(command: str | list[str], value: str) -> None:
    with pytest.raises(UnsafeValue, match=r"NUL|cannot be written as bytes"):
        resolve(command, {"v": value})


CALCULATING = [
    "echo $((${v} + 1))",
    'echo "$((${v}))"',
    "if [ 1 -eq ${v} ]; then :; fi",
    "[ x = x -a ${v} -lt 3 ]",
    "test ${v} -ge 1",
    "shift ${v}",
    "SECONDS=${v}",
    "RANDOM=${v} true",
    "export OPTIND=${v}",
    "[[ ${v} -gt 3 ]]",
    "[[ a == b || 3 -le ${v} ]]",
    "((x = ${v})); echo $x",
    "for ((i = 0; i < ${v}; i++)); do :; done",
    "let x=${v}",
    "ulimit -n ${v}",
    "echo a >&${v}",
]


@pytest.mark.parametrize("command", CALCULATING)
def test_where_a_shell_calculates_only_whole_numbers_pass(command: str) -> None:
    for value in VALUES:
        if value.strip(" \t\n").removeprefix("-").isdecimal():
            continue
        with pytest.raises(UnsafeValue, match="whole number"):
            resolve(command, {"v": value})
    for value in (0, 12, -3, "7", " 8\n"):
        assert resolve(command, {"v": value}).env.values()


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())
def test_a_shell_calculates_with_whole_numbers(shell: list[str], folder: Path) -> None:
    command = resolve('echo "$((${v} * 2))" $((${v}+$((${v}))))', {"v": 21})
    assert run(command, shell, folder) == b"42 42\n"
