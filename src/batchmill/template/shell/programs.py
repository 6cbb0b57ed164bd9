"""Programs that run an argument or their input as code, and programs that start other programs.

These rules hold for a command text and for a command that is a list, whichever program starts them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from batchmill.template.shell import program_texts
from batchmill.template.shell.reviewing import RuleReader, demand, refuse, refuse_input
from batchmill.template.shell.shells import (
    FIND_ACTIONS,
    SHELLS,
    STARTING,
    review_placeholder,
    review_shell,
    script_from_input,
)
from batchmill.template.shell.words import Check, ParsedCommand, Word, names

_RUNNERS = names("eval trap alias watch parallel hyperfine")
_REMOTE = frozenset({"ssh", "autossh", "rsh", "remsh", "mosh", "slogin"})
_REMOTE_ARGUMENT = frozenset("BbcDEeFIiJLlmOoPpQRSWw")  # the options of ssh that are followed by one
_VARIABLE = re.compile(r"(?:-\w|--[a-z-]+=)?([A-Za-z_]\w*)=")
_SPLIT = re.compile(r"(?:-[0iv]*S|--split-string=)(.*)", re.DOTALL)  # an option of env
_COMMAND_LINE = names("parallel watch hyperfine tmux screen sem pdsh clush pssh")
_COMMANDS_FROM_INPUT = names("at batch")

# Options that are followed by a command: letters that may be combined in one word, and long ones.
_COMMAND_OPTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("su", "runuser", "script", "flock", "sg"), ("c", ("--command", "--session-command"))),
    "tar": ("", ("-I", "--to-command", "--checkpoint-action", "--use-compress-program", "--rsh-command")),
    "rsync": ("", ("-e", "--rsh", "--rsync-path")),
    **dict.fromkeys(("scp", "sftp"), ("", ("-o", "-S"))),
    "sort": ("", ("--compress-program",)),
    "split": ("", ("--filter",)),
    "entr": ("", ("-s",)),
    "xterm": ("", ("-e",)),
    "nix-shell": ("", ("--run", "--command")),
    "npx": ("c", ("--call",)),
    **dict.fromkeys(("vim", "vi", "ex"), ("c", ("--cmd",))),
    "gdb": ("", ("-ex", "--eval-command", "-iex")),
    "emacs": ("", ("--eval", "--execute")),
    "gcloud": ("", ("--command",)),
    "vagrant": ("c", ("--command",)),
}

Rule = Callable[[list[Word], ParsedCommand, RuleReader], None]


def review_program(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    """Look at the words of one command, the first of which is the program."""
    first = words[0]
    if not first.literal:
        _unknown_program(words, reader)
    _hand_variables_on(words, reader)
    rule = rule_of(first.program)
    if rule is not None:
        rule(words, command, reader)
    if first.program in STARTING:
        _started(words, command, reader)
    for place, word in enumerate(words):
        if word.program in SHELLS:
            review_shell(words, place, command, reader)
            return


def _hand_variables_on(words: Sequence[Word], reader: RuleReader) -> None:
    """``env n=${v} sh -c '...'``, ``docker run -e n=${v}``: the script that is started finds them."""
    for word in words[1:]:
        found = _VARIABLE.match(word.text)
        if found:
            reader.flows.add(found[1], word.flows_from(found.end()))


def rule_of(name: str) -> Rule | None:
    """The rule for the program ``name``, None if there is none."""
    return _RULES.get(name) or program_texts.rule(name)


def _started(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    """The program that the first one starts, if there is a rule for it."""
    first = 1
    if words[0].program == "find":
        first = next((place for place, word in enumerate(words, 1) if word.text in FIND_ACTIONS), len(words))
    for place in range(first, len(words)):
        rule = rule_of(words[place].program)
        if rule is not None:
            rule(words[place:], command, reader)
            message = f"{words[0].program} would put a value into the program of {words[place].program}"
            for word in words[place + 1 :]:
                review_placeholder(words, word, command, reader, message)
            return


def _unknown_program(words: list[Word], reader: RuleReader) -> None:
    for before, word in pairwise(words):
        if before.literal and re.fullmatch(r"-[A-Za-z]*c", before.text):
            message = (
                f"batchmill does not know this program, and {before.text} may make it run a value as code"
            )
            refuse([word], reader, f"{message}; {reader.as_argument}")
    if any(word.flows for word in words[1:]):
        demand(words[:1], reader, Check.NO_RUNNER)


def is_runner(name: str) -> bool:
    """Whether the program ``name`` runs the argument it is given."""
    return name.rpartition("/")[2] in _RUNNERS


def _remote(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    """The words after the host are put together and run by a shell there."""
    place = 1
    while place < len(words) and words[place].text.startswith("-"):
        word = words[place]
        followed = len(word.text) == 2 and word.text[1] in _REMOTE_ARGUMENT
        if word.text.startswith("-o"):
            refuse(words[place : place + 2], reader, "an option of ssh may hold a command; no value here")
        place += 2 if followed else 1
        if word.text == "--":
            break
    demand(words[place : place + 1], reader, Check.NO_OPTION)
    _remote_words(words, place + 1, command, reader)


def _remote_words(words: list[Word], place: int, command: ParsedCommand, reader: RuleReader) -> None:
    message = (
        f"the shell on the other machine would run a value as code; send it to the input of {words[0].text}"
    )
    refuse(words[place:], reader, message)
    there = words[place].program if place < len(words) else "sh"
    if there in SHELLS and not any(re.fullmatch(r"-[A-Za-z]*c", word.text) for word in words[place:]):
        script_from_input(words, command, reader)


def _adb(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    for place, word in enumerate(words):
        if word.text == "shell":
            _remote_words(words, place + 1, command, reader)
            return


def _command_line(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    name = words[0].program
    refuse(words[1:], reader, f"{name} would read a value as code; use another command for it")
    if name == "parallel":
        message = "parallel would run what it reads as commands; give it the command as its arguments"
        if all(word.text.startswith("-") for word in words[1:]):
            refuse_input(command, reader, message, words[0].start)


def _commands_from_input(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    script_from_input(words, command, reader)


def _command_option(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    letters, long = _COMMAND_OPTIONS[words[0].program]
    message = f"{words[0].text} would run a value as code; {reader.as_argument}"
    for word in program_texts.after_options(words, letters, long):
        refuse([word], reader, message)


def _env(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    """``env -S 'sh -c ...'`` splits a word into a command."""
    before = words[0]
    for place, word in enumerate(words[1:], 1):
        glued = _SPLIT.match(word.text)
        if before.text == "--split-string" or re.fullmatch(r"-[0iv]*S", before.text) or (glued and glued[1]):
            refuse(
                [word], reader, f"env -S would make words of a value; leave it out, and {reader.as_argument}"
            )
            texts = re.split(r"[\s'\"]+", glued[1] if glued else word.text)
            line = [Word(word.start, word.end, text) for text in ("exec", *texts) if text]
            review_program([*line, *words[place + 1 :]], command, reader)
            return
        before = word


def _xargs(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    """The input of xargs follows its words; to a program on another machine that is code."""
    for word in words:
        if word.text.startswith("<("):
            reader.flows.add(command.reads, word.flows)
    if any(word.program in _REMOTE for word in words):
        message = "the shell on the other machine would run a value as code; send it to the input of ssh"
        refuse_input(command, reader, message, words[0].start)


_RULES: dict[str, Rule] = {
    "env": _env,
    "xargs": _xargs,
    "adb": _adb,
    **dict.fromkeys(_REMOTE, _remote),
    **dict.fromkeys(_COMMAND_LINE, _command_line),
    **dict.fromkeys(_COMMANDS_FROM_INPUT, _commands_from_input),
    **dict.fromkeys(_COMMAND_OPTIONS, _command_option),
}
