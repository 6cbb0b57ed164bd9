"""Shells that a command starts: where their script comes from, and what its arguments are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from batchmill.template.shell.reviewing import RuleReader, refuse, refuse_input
from batchmill.template.shell.words import (
    ANY,
    Argument,
    ParsedCommand,
    PositionalParameters,
    ValueFlow,
    Word,
    names,
)

SHELLS = names("sh bash dash ash zsh ksh ksh93 mksh oksh lksh pdksh yash rbash csh tcsh fish pwsh")
_OTHER_SYNTAX = names("csh tcsh fish pwsh")
STANDARD_INPUT = frozenset({"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})

# Programs that run the rest of their words as a command, with the environment they were given.
_HAND_ON = names("env nice nohup timeout setsid stdbuf ionice time xargs find")
# and programs that may also change the environment or the machine first
_START = names(
    "arch bundle bwrap busybox caffeinate chpst chroot chrt conda cpulimit direnv doas docker dotenv "
    "dumb-init eatmydata exec fakeroot faketime firejail flatpak flock gosu hatch kubectl lxc ltrace "
    "mamba numactl npx nsenter pdm perf pipenv pipx podman poetry proot prlimit rye runcon s6-setuidgid "
    "setarch setpriv singularity strace su-exec sudo systemd-run taskset tini toybox trickle tsp "
    "unbuffer unshare uv uvx valgrind xvfb-run"
)
STARTING = _HAND_ON | _START
FIND_ACTIONS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})


def review_shell(words: list[Word], place: int, command: ParsedCommand, reader: RuleReader) -> None:
    """``words[place]`` is the name of a shell; find its script and the script's arguments."""
    flagged, operand = operand_of_shell(words, place + 1)
    runs_it = place == 0 or words[0].program in STARTING
    script = words[operand] if operand < len(words) else None
    positions = PositionalParameters()
    if flagged:
        _given(positions, words, operand + 1, 0, command, reader)
        if script is None:
            _script_from_arguments(words, command, reader)
        else:
            _script_argument(words, place, script, command, positions, reader)
    elif script is None or script.text in STANDARD_INPUT or _reads_input(words[place + 1 : operand]):
        if runs_it:
            _given(positions, words, operand, 1, command, reader)
            script_from_input(words, command, reader, positions)
    elif script.text.startswith("<(") and runs_it:
        refuse([script], reader, "a script made with a value would run as code")


def operand_of_shell(words: list[Word], place: int) -> tuple[bool, int]:
    """Whether the options from ``place`` on ask for a script as argument, and where the operands start."""
    flagged = False
    while place < len(words) and words[place].text[:1] in ("-", "+"):
        text = words[place].text
        if text in ("-", "--"):
            return flagged, place + (text == "--" or flagged)
        short = not text.startswith("--")
        flagged = flagged or (short and text[0] == "-" and "c" in text[1:])
        takes_next = text[-1] in "oO" if short else text in ("--rcfile", "--init-file")
        place += 2 if takes_next else 1
    return flagged, place


def _reads_input(options: Sequence[Word]) -> bool:
    return any(re.fullmatch(r"-[a-z]*s", word.text) for word in options)


def _given(
    positions: PositionalParameters,
    words: list[Word],
    operand: int,
    first: int,
    command: ParsedCommand,
    reader: RuleReader,
) -> None:
    """The words from ``operand`` on become positional parameters; also what xargs adds and find puts in."""
    reader.flows.spread(positions, words[operand:], first)
    added: list[ValueFlow] = []
    if words[0].program == "xargs":
        added = [ValueFlow(command.reads, derived=True)]
    elif words[0].program == "find":
        added = [replaced for word in words for replaced in word.flows]
    for number in range(first, 10):
        reader.flows.add(Argument(positions, number), added, derived=True)
    reader.flows.add(Argument(positions, ANY), added, derived=True)


def _script_from_arguments(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    """``xargs sh -c``: the script comes from the input of xargs."""
    if words[0].program == "xargs":
        message = "a shell that xargs starts would run a value as code"
        refuse_input(command, reader, f"{message}; {reader.as_argument}", words[0].start)


def _script_argument(
    words: list[Word],
    place: int,
    script: Word,
    command: ParsedCommand,
    positions: PositionalParameters,
    reader: RuleReader,
) -> None:
    """A script as the argument of ``sh -c``."""
    handed_on = place == 0 or all(word.literal for word in words[:place])
    known = place == 0 or words[0].program in _HAND_ON
    if words[0].program == "find" and words[place - 1].text not in FIND_ACTIONS:
        known = False
    message = f"{words[place].text} would run a value as code; {reader.in_script}"
    review_placeholder(words, script, command, reader, message)
    if script.holds_value:
        by = words[0] if known and handed_on else None
        if by is None or not reader.embed(script, command, by, positions):
            reader.fail(message, script.place)
        return
    refuse([script], reader, message)
    if words[place].program not in _OTHER_SYNTAX:
        reader.look_into(script.text, script.start, command, positions)


def review_placeholder(
    words: list[Word], script: Word, command: ParsedCommand, reader: RuleReader, message: str
) -> None:
    """``xargs -I% sh -c '... %'`` and ``find -exec sh -c '... {}'`` put what they read into the script."""
    if words[0].program == "find" and "{}" in script.text and script.text != "{}":
        refuse([word for word in words if word is not script], reader, message)
    for mark in _replaced_by_xargs(words):
        if mark and mark in script.text and script.text != mark:
            refuse_input(command, reader, message, script.place)


def _replaced_by_xargs(words: list[Word]) -> Iterator[str]:
    if words[0].program != "xargs":
        return
    for before, word in pairwise(words):
        if before.text in ("-I", "--replace", "-J"):
            yield word.text
        elif word.text.startswith(("-I", "-i", "--replace=")):
            yield re.sub(r"^(-I|-i|--replace=)", "", word.text) or ("{}" if word.text == "-i" else "")


def script_from_input(
    words: Sequence[Word],
    command: ParsedCommand,
    reader: RuleReader,
    positions: PositionalParameters | None = None,
) -> None:
    """The command runs what it reads as a script, which finds its arguments in ``positions``."""
    message = f"a script that a shell reads from its input would hold a value as code; {reader.as_argument}"
    place = words[0].start

    def read(flows: list[ValueFlow], text: str, at: int) -> None:
        reader.forbid(flows, message, at)
        reader.look_into(text, at, ParsedCommand(writes=command.writes), positions)

    for document in command.here_documents:
        document.script = read
    refuse(command.here_strings, reader, message)
    if not command.here_documents:
        reader.forbid([ValueFlow(command.reads)], message, place)
