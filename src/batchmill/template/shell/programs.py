"""Programs that run an argument or their input as a script, and programs that start other programs.

These rules hold for a command text and for a command that is a list, whichever program starts them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from batchmill.template.shell import program_texts
from batchmill.template.shell.reviewing import RuleReader, demand, refuse, refuse_input
from batchmill.template.shell.words import (
    ANY,
    Argument,
    Check,
    ParsedCommand,
    PositionalParameters,
    ValueFlow,
    Word,
    names,
)

SHELLS = names("sh bash dash ash zsh ksh ksh93 mksh oksh lksh pdksh yash rbash csh tcsh fish pwsh")
_OTHER_SYNTAX = names("csh tcsh fish pwsh")

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
_RUNNERS = names("eval trap alias watch parallel hyperfine")
FIND_ACTIONS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
_REMOTE = frozenset({"ssh", "autossh", "rsh", "remsh", "mosh", "slogin"})
_REMOTE_ARGUMENT = frozenset("BbcDEeFIiJLlmOoPpQRSWw")  # the options of ssh that are followed by one
_STANDARD_INPUT = frozenset({"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})
_VARIABLE = re.compile(r"(?:-\w|--[a-z-]+=)?([A-Za-z_]\w*)=")
_SPLIT = re.compile(r"(?:-[0iv]*S|--split-string=)(.*)", re.DOTALL)  # an option of env
_COMMAND_LINE = names("parallel watch hyperfine tmux screen sem pdsh clush pssh")
_COMMANDS_FROM_INPUT = names("at batch")

# Options that are followed by a command: letters that may be combined in one word, and long ones.
_COMMAND_OPTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("su", "runuser", "script", "flock", "sg"), ("c", ("--command", "--session-command"))),
    "tar": ("", ("-I", "--to-command", "--checkpoint-action", "--use-compress-program", "--rsh-command")),
    "rsync": ("", ("-e", "--rsh", "--rsync-path")),
    "scp": ("", ("-o", "-S")),
    "sftp": ("", ("-o", "-S")),
    "sort": ("", ("--compress-program",)),
    "split": ("", ("--filter",)),
    "entr": ("", ("-s",)),
    "xterm": ("", ("-e",)),
    "nix-shell": ("", ("--run", "--command")),
    "npx": ("c", ("--call",)),
    "vim": ("c", ("--cmd",)),
    "vi": ("c", ("--cmd",)),
    "ex": ("c", ("--cmd",)),
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
            _shell(words, place, command, reader)
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
                _placeholder(words, word, command, reader, message)
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


def _shell(words: list[Word], place: int, command: ParsedCommand, reader: RuleReader) -> None:
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
    elif script is None or script.text in _STANDARD_INPUT or _reads_input(words[place + 1 : operand]):
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
    _placeholder(words, script, command, reader, message)
    if script.holds_value:
        by = words[0] if known and handed_on else None
        if by is None or not reader.embed(script, command, by, positions):
            reader.fail(message, script.place)
        return
    refuse([script], reader, message)
    if words[place].program not in _OTHER_SYNTAX:
        reader.look_into(script.text, script.start, command, positions)


def _placeholder(
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
