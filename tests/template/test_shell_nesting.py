"""Commands put together at random from quotes, substitutions and compound commands within each other:
what they print must be what their parts say, with a hostile value at every place."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchmill.template import Scope, compile_command

SHELLS = [argv for argv in (["sh"], ["bash"], ["zsh"], ["mksh"], ["busybox", "sh"]) if shutil.which(argv[0])]

HOSTILE = [
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '\"; touch pwned; \"",
    "\ntouch pwned\n",
    "\nEOF\ntouch pwned\nEOF",
    ") touch pwned (",
    "} ; touch pwned; {",
    "\\",
    "a  b\t*\n\n",
    "-e\\n$HOME ~ {a,b} #c",
    "é\x01\x7f\udc81",
    "",
]


@dataclass(frozen=True)
class Part:
    """A piece of a command and what it stands for, with V for the value in both."""

    text: str
    means: str


def _joined(parts: list[Part], before: str = "", after: str = "") -> Part:
    return Part(before + "".join(part.text for part in parts) + after, "".join(part.means for part in parts))


def _substituted(command: Part) -> Part:
    # What a substitution yields loses its last newlines, so it ends in a dot.
    return Part(f"$( {command.text}; printf .)", f"{command.means}.")


VALUE = Part("${v}", "V")
PLAIN = st.sampled_from(["a", "-x=", "b/c", ".", "0"]).map(lambda text: Part(text, text))
IN_DOUBLE = st.sampled_from(
    [
        *(Part(text, text) for text in ("'", " ", "(", ")", "#", ";", "\n", "<<")),
        *(Part("\\" + text, text) for text in ("\\", '"', "$ ", "`")),
        Part("`:`", ""),
        Part("$((1+(2)))", "3"),
        Part("$${x:-d}", "d"),
    ]
)
IN_SINGLE = st.sampled_from(['"', " ", "(", ")", "#", ";", "\\x", "`", "$x", "$(", "\n", "<<"]).map(
    lambda text: Part(text, text)
)
SINGLE = st.lists(st.just(VALUE) | IN_SINGLE, max_size=3).map(lambda parts: _joined(parts, "'", "'"))
ESCAPED = st.sampled_from(["\\'", '\\"', "\\ ", "\\;", "\\(", "\\\\"]).map(lambda text: Part(text, text[1]))


def _double(commands: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
    inside = st.just(VALUE) | IN_DOUBLE | commands.map(_substituted)
    return st.lists(inside, max_size=3).map(lambda parts: _joined(parts, '"', '"'))


def _words(commands: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
    pieces = st.just(VALUE) | PLAIN | SINGLE | ESCAPED | _double(commands)
    return st.lists(pieces, min_size=1, max_size=3).map(_joined)


def _here_document(quote: str, lines: list[Part]) -> Part:
    body = _joined([Part(f"{line.text}\n", f"{line.means}\n") for line in lines])
    end = next(name for name in (f"EOF{number}" for number in count()) if name not in body.text)
    return Part(f"cat <<{quote}{end}{quote}\n{body.text}{end}\nprintf ''", body.means)


def _here_documents(commands: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
    open_line = st.just(VALUE) | commands.map(_substituted) | st.just(Part("\"' \\$ #", "\"' $ #"))
    closed_line = st.just(VALUE) | st.just(Part("\"' \\$ $(x) \\\\", "\"' \\$ $(x) \\\\"))
    opened = st.lists(open_line, min_size=1, max_size=2).map(lambda lines: _here_document("", lines))
    return opened | st.lists(closed_line, min_size=1, max_size=2).map(
        lambda lines: _here_document("'", lines)
    )


BLOCKS = [
    "{ %s; }",
    "( %s )",
    "( %s)",
    "if :; then %s; fi",
    "for i in 1; do %s\ndone",
    "case a in b) :;; a) %s;; esac",
    "case a in (a) %s\nesac",
    "f() { %s; }; f",
    "%s | cat",
    ": && %s",
    "! false; %s",
    ": # it's a comment ${v}\n%s",
    "while :; do %s; break; done",
    "x=1 y='a b' ; %s",
    "eval '' ; %s",
    "[ a = a ] && %s",
    "echo $((1 << 2)) >/dev/null; %s",
    "echo $${x:-'}'} >/dev/null; %s",
    "cat </dev/null 2>&1; %s",
]


def _nested(commands: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
    in_block = st.tuples(st.sampled_from(BLOCKS), commands).map(
        lambda pair: Part(pair[0].replace("%s", pair[1].text), pair[1].means)
    )
    in_case = st.tuples(_words(commands), commands).map(
        lambda pair: Part(f"case {pair[0].text} in {pair[0].text}) {pair[1].text};; esac", pair[1].means)
    )
    printed = _words(commands).map(lambda word: Part(f"printf %s {word.text}", word.means))
    in_order = st.lists(commands, min_size=2, max_size=2).map(
        lambda pair: Part(f"{pair[0].text}\n{pair[1].text}", pair[0].means + pair[1].means)
    )
    return in_block | in_case | printed | _here_documents(commands) | in_order


LEAVES = st.sampled_from(["${v}", '"${v}"', "'${v}'", "a${v}"]).map(
    lambda word: Part(f"printf %s {word}", "aV" if word[0] == "a" else "V")
)
COMMANDS = st.recursive(LEAVES, _nested, max_leaves=6)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(command=COMMANDS, value=st.sampled_from(HOSTILE))
def test_every_place_prints_the_value(
    command: Part, value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("empty")
    made = compile_command(command.text, allow_raw=False).resolve(Scope({"v": value}))
    for shell in SHELLS:
        if shell[0] in ("bash", "zsh") and "<<" in command.text and "$( " in command.text:
            continue  # bash 5.2 drops commands after a here-document in a substitution, values or none
        done = subprocess.run(
            [*shell, "-c", made.script, "sh"],
            cwd=folder,
            env={**os.environ, **made.env},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
        assert done.stderr == b"", shell
        assert done.stdout == os.fsencode(command.means.replace("V", value)), shell
        assert os.listdir(folder) == []
