"""What simple commands do with their input and arguments: which variables they set, what they print."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol

from batchmill.template.shell.frames import Frames
from batchmill.template.shell.reviewing import RuleReader
from batchmill.template.shell.words import (
    ANY,
    Argument,
    ParsedCommand,
    ShellStream,
    Source,
    ValueFlow,
    Word,
    names,
)

# Commands that print nothing of their input and arguments.
_SILENT = names(
    ": [ break cd chmod chown continue cp declare eval exit export false for ln local mapfile mkdir mv read "
    "readarray readonly return rm rmdir select set shift sleep test touch trap true typeset unset wait"
)
_DIRECTORIES = ("PWD", "OLDPWD", "DIRSTACK")
_READ_WITH = "adinptuNkEz"  # options of `read` that are followed by an argument, in any shell
_DIGITS = re.compile(r"(?:0-9|\[:digit:\]|\[0-9\]|[0-9]|\\n|[ +.-])+")
_STAT_NUMBERS = re.compile(r"(?:%[0-9a-z]*[sYXZWbBhuigaod]|[ \n,:0-9]|\\n)+")
_LENGTH = re.compile(r"(?:.*[|\s])?(?:length|tonumber)\s*", re.DOTALL)
_LINES = re.compile(r"\s*(?:END\s*)?\{\s*print\s+N[RF]\s*;?\s*\}\s*")
_GREP_OPTIONS = frozenset("ciEFGPwvxasy")


class _Reader(RuleReader, Protocol):
    frames: Frames


def connect(command: ParsedCommand, words: Sequence[Word], reader: _Reader, target: ShellStream) -> None:
    """Write down what ``command`` reads, does and prints. ``words`` are those after assignments and prefixes,
    none for a compound command; what is printed goes to ``target``."""
    flows, outer = reader.flows, reader.frames.inner
    if not (command.piped or command.redirected):
        flows.add(command.reads, [ValueFlow(outer.reads)])
    if words:
        _simple(command, words, reader)
    for feed in (*command.feeds, *(feed for word in command.words for feed in word.feeds)):
        flows.add(feed, [ValueFlow(command.writes)])
    if not command.silent:
        flows.add(target, [ValueFlow(command.writes)])


def _simple(command: ParsedCommand, words: Sequence[Word], reader: _Reader) -> None:
    flows, name, given = reader.flows, words[0].program, words[1:]
    if name == "exec" and not given:
        flows.add(reader.frames.inner.reads, [ValueFlow(command.reads)])
    if name in _SETTING:
        _SETTING[name](words, command, reader)
    flows.add("_", words[-1].flows)
    function = flows.function(name) if name else None
    if function is not None:
        flows.spread(function, given)
        flows.add(function.reads, [ValueFlow(command.reads)])
        flows.add(command.writes, [ValueFlow(function.writes)])
    if name not in _SILENT and not counts(words):
        printed = [flow for word in words for flow in word.flows]
        flows.add(command.writes, [*printed, ValueFlow(command.reads)], derived=True)


def _read(words: Sequence[Word], command: ParsedCommand, reader: _Reader) -> None:
    operands = list(_operands(words, _READ_WITH))
    arrays = [after for before, after in pairwise(words) if re.fullmatch(r"-\w*[aA]", before.text)]
    for word in arrays:
        reader.flows.list(word.text)
    for word in [*operands, *arrays]:
        reader.flows.add(word.text, [ValueFlow(command.reads)], derived=True)
    for name in ("REPLY", "reply"):
        reader.flows.add(name, [ValueFlow(command.reads)], derived=True)


def _mapfile(words: Sequence[Word], command: ParsedCommand, reader: _Reader) -> None:
    name = words[-1].text if len(words) > 1 and words[-1].text.isidentifier() else "MAPFILE"
    reader.flows.list(name)
    reader.flows.add(name, [ValueFlow(command.reads)], derived=True)


def _operands(words: Sequence[Word], followed: str) -> Iterator[Word]:
    """The words that are no options; an option that ends in one of ``followed`` has the next for itself."""
    place = 1
    while place < len(words):
        text = words[place].text
        option = words[place].literal and len(text) > 1 and text[0] == "-"
        if not option:
            yield words[place]
        place += 2 if option and text[-1] in followed else 1


def _loop(words: Sequence[Word], command: ParsedCommand, reader: _Reader) -> None:
    if len(words) < 2:
        return
    if len(words) > 2 and words[2].keyword == "in":
        for word in words[3:]:
            reader.flows.add(words[1].text, word.flows, text=word.text if word.literal else "")
    else:
        reader.flows.add(words[1].text, [ValueFlow(Argument(reader.positions, ANY))])


def _set(words: Sequence[Word], command: ParsedCommand, reader: _Reader) -> None:
    given = list(words[1:])
    if given and re.fullmatch(r"[-+]A", given[0].text) and len(given) > 1:
        reader.flows.add(given[1].text, [flow for word in given[2:] for flow in word.flows])
        return
    while given and given[0].literal and given[0].text[:1] in ("-", "+"):
        last = given.pop(0).text
        if last in ("--", "-"):
            break
    reader.flows.spread(reader.positions, given)


def _shift(words: Sequence[Word], command: ParsedCommand, reader: _Reader) -> None:
    reader.positions.shifted = True


def _printf(words: Sequence[Word], command: ParsedCommand, reader: _Reader) -> None:
    if len(words) > 1 and words[1].literal and words[1].text.startswith("-v"):
        named, given = (words[1].text[2:], words[2:]) if words[1].text != "-v" else (words[2:3], words[3:])
        name = named if isinstance(named, str) else "".join(word.text for word in named)
        flows = [flow for word in given for flow in word.flows]
        reader.flows.add(name.partition("[")[0], flows, derived=True)


def _getopts(words: Sequence[Word], command: ParsedCommand, reader: _Reader) -> None:
    given: list[ValueFlow] = [flow for word in words[3:] for flow in word.flows]
    everything: Source = Argument(reader.positions, ANY)
    reader.flows.add("OPTARG", given or [ValueFlow(everything)], derived=True)


def _enter(words: Sequence[Word], command: ParsedCommand, reader: _Reader) -> None:
    for name in _DIRECTORIES:
        reader.flows.add(name, [flow for word in words for flow in word.flows], derived=True)


_SETTING: dict[str, Callable[[Sequence[Word], ParsedCommand, _Reader], None]] = {
    "read": _read,
    "mapfile": _mapfile,
    "readarray": _mapfile,
    "for": _loop,
    "select": _loop,
    "set": _set,
    "shift": _shift,
    "printf": _printf,
    "getopts": _getopts,
    "cd": _enter,
    "pushd": _enter,
}


def counts(words: Sequence[Word]) -> bool:
    """Whether a command always prints numbers, such as ``wc -l`` or ``tr -cd 0-9``."""
    name = words[0].program
    options = [word for word in words[1:] if word.literal and word.text.startswith("-")]
    operands = [word for word in words[1:] if word not in options]
    if name == "wc":
        return not operands
    if name == "tr":
        deletes = [word.text for word in options] in (["-cd"], ["-dc"], ["-Cd"], ["-dC"])
        return deletes and len(operands) == 1 and _all_of(_DIGITS, operands[0])
    if name == "grep":
        letters = "".join(word.text[1:] for word in options)
        return "c" in letters and set(letters) <= _GREP_OPTIONS and len(operands) <= 2
    if name == "date":
        return any(word.literal and word.text.startswith("+") for word in operands)
    if name == "stat":
        pairs = pairwise(words)
        return any(before.text in ("-c", "-f") and _all_of(_STAT_NUMBERS, word) for before, word in pairs)
    if name in ("jq", "gojq", "jaq"):
        return bool(operands) and _all_of(_LENGTH, operands[0])
    if name in ("awk", "gawk", "mawk"):
        return bool(operands) and not options and _all_of(_LINES, operands[0])
    return False


def _all_of(pattern: re.Pattern[str], word: Word) -> bool:
    return word.literal and pattern.fullmatch(word.text) is not None
