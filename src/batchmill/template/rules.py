"""Which commands read a value again, as code, a number or the name of a variable, and what to do then.

A shell hands the value of a quoted reference to a command as it is. Some commands start a second reading
of their own: ``eval`` and ``sh -c`` run an argument as a script, ``[ -eq`` calculates with it, ``read``
takes it for the name of a variable, whose index may hold a command. What can be made safe is: a script
in one pair of quotes is rewritten, a number is checked. The rest is refused when the command is
compiled, as far as it can be seen in its words.

Not looked at is what programs other than shells do with their arguments: the program text of ``awk``,
``sed`` or ``python -c`` sees the value byte for byte and may take it for its own code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NoReturn, Protocol

from batchmill.template.words import MARK, Check, Command, Word, names

SHELLS = names("sh bash dash ash zsh ksh ksh93 mksh oksh lksh pdksh yash rbash csh tcsh fish pwsh")

# Programs that run the rest of their words as a command, with the environment they were given.
_HAND_ON = names("env nice nohup timeout setsid stdbuf ionice time xargs find")
# And those that may change the environment or the machine on the way.
_START = names("sudo doas exec docker podman kubectl chroot nsenter unshare flock strace busybox")
_PREFIXES = frozenset({"command", "builtin", "noglob", "nocorrect"})
_FIND_ACTIONS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
_REMOTE = frozenset({"ssh", "autossh", "rsh", "remsh", "mosh"})
_REMOTE_ARGUMENT = frozenset("BbcDEeFIiJLlmOoPpQRSWw")  # the options of ssh that are followed by one
_SCRIPT_OPTION = frozenset({"su", "runuser", "script", "flock", "sg"})
_ALL_CODE = names("alias bind compgen complete emulate fc mapfile parallel readarray sched vared watch")
_ALL_NAMES = names("unset read integer float nameref")
_DECLARING = names("declare typeset local export readonly")
_STANDARD_INPUT = frozenset({"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})

_EVALUATED_VARIABLES = names("BASH_ENV ENV PS0 PS1 PS2 PS3 PS4 PROMPT PROMPT_COMMAND RPS1 RPROMPT")
_NUMBER_VARIABLES = names(
    "BASHPID COLUMNS EGID ERRNO EUID FUNCNEST GID HISTCMD HISTFILESIZE HISTSIZE KEYTIMEOUT LINENO LINES "
    "LISTMAX MAILCHECK OPTIND PGRP PPID RANDOM SAVEHIST SECONDS SHLVL SRANDOM TMOUT UID USER_ID"
)
_COMPARING = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})
_NAMING = frozenset({"-v", "-R"})
_BETWEEN = _COMPARING | {"=", "==", "!=", "<", ">", "=~", "-nt", "-ot", "-ef"}

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\[.*\])?\+?=(\()?", re.DOTALL)
_HARMLESS_ATTRIBUTES = frozenset("-+xrgplu")
_CALCULATING_ATTRIBUTES = frozenset("inFE")

_AS_ARGUMENT = "hand it over as an argument instead: sh -c 'echo \"$1\"' sh ${...}"


class Refusing(Protocol):
    """The reader of a command, as far as the rules need it."""

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        """Refuse the command because of what is at ``at``."""

    def refuse_any(self, reason: str) -> None:
        """Refuse the command if any value is in it."""

    def embed(self, word: Word, command: Word | None = None) -> bool:
        """Rewrite a word that is itself a script, if that can be done."""


Rule = Callable[[list[Word], Refusing], None]


def review(command: Command, reader: Refusing) -> None:
    """Look at one simple command; refuse it, or set the checks that its values need."""
    words = _without_assignments(command.words, reader)
    for word in words:
        _check_variable(word, reader)
    words = _without_prefixes(words)
    if not words:
        return
    name = words[0].program
    rule = _RULES.get(name)
    if rule is not None:
        rule(words, reader)
    _scripts(words, command, reader)


def _without_assignments(words: list[Word], reader: Refusing) -> list[Word]:
    for place, word in enumerate(words):
        found = _ASSIGNMENT.match(word.text)
        if found is None or MARK in found[1]:
            return words[place:]
        _check_assignment(word, found, reader)
    return []


def _without_prefixes(words: list[Word]) -> list[Word]:
    while words and words[0].keyword in _PREFIXES:
        words = words[1:]
        while words and words[0].literal and words[0].text.startswith("-"):
            words = words[1:]
    return words


def _check_assignment(word: Word, found: re.Match[str], reader: Refusing) -> None:
    if found[2] and MARK in found[2]:
        reader.fail("a value cannot be the index of an array: the shell calculates it", _place(word))
    _check_variable(word, reader)
    if found[1] in _NUMBER_VARIABLES:
        _require(word, Check.INTEGER)


def _check_variable(word: Word, reader: Refusing) -> None:
    name = word.text.partition("=")[0]
    if word.holds_value and name in _EVALUATED_VARIABLES:
        reader.fail(f"a value cannot be given to {name}: a shell runs what is in it", _place(word))


def _place(word: Word) -> int:
    return word.slots[0].at if word.slots else word.start


def _require(word: Word, check: Check) -> None:
    for slot in word.slots:
        slot.checks.add(check)


def _require_at_start(word: Word, check: Check) -> None:
    """Set a check on the values that the word starts with; an empty one lets the next be the start."""
    leading = len(word.text) - len(word.text.lstrip(MARK))
    for slot in word.slots[:leading]:
        slot.checks.add(check)


def _first_with_value(words: Iterable[Word]) -> Word | None:
    return next((word for word in words if word.holds_value), None)


def _refuse_values(words: Iterable[Word], reader: Refusing, message: str) -> None:
    word = _first_with_value(words)
    if word is not None:
        reader.fail(message, _place(word))


def _eval(words: list[Word], reader: Refusing) -> None:
    if _first_with_value(words[1:]) and not (len(words) == 2 and reader.embed(words[1])):
        _refuse_values(words[1:], reader, "eval would run a value as code; use it without eval")


def _trap(words: list[Word], reader: Refusing) -> None:
    operands = [word for word in words[1:] if word.text != "--"]
    if operands and operands[0].holds_value and not reader.embed(operands[0]):
        _refuse_values(operands, reader, "trap would run a value as code; put the command in single quotes")


def _all_code(words: list[Word], reader: Refusing) -> None:
    name = words[0].program
    _refuse_values(words[1:], reader, f"{name} would read a value as code; use another command for it")


def _all_names(words: list[Word], reader: Refusing) -> None:
    prompts = [word for before, word in pairwise(words) if before.text != "-p"]
    name = words[0].program
    _refuse_values(prompts, reader, f"{name} would take a value for the name of a variable and its index")


def _getopts(words: list[Word], reader: Refusing) -> None:
    _refuse_values(words[1:3], reader, "getopts would take a value for the name of a variable and its index")


def _loop(words: list[Word], reader: Refusing) -> None:
    if len(words) > 1 and words[1].slots:
        reader.fail("a value cannot be the name of a variable", _place(words[1]))


def _numbers(words: list[Word], reader: Refusing) -> None:
    for word in words[1:]:
        _require(word, Check.INTEGER)


def _set(words: list[Word], reader: Refusing) -> None:
    for word in words[1:]:
        option = word.literal and word.text[:1] in ("-", "+")
        if word.text == "--" or not (option or word.slots):
            return
        if word.slots:
            reader.fail("set could take a value for an option; write set -- before it", _place(word))


def _printf(words: list[Word], reader: Refusing) -> None:
    """bash and zsh take ``printf -v name``, and look into the index of that name."""
    for before, word in pairwise(words):
        if before.text.startswith("-v") and before.literal and before is not words[0] and word.slots:
            reader.fail("printf -v would take a value for the name of a variable", _place(word))
        if word.slots and word.text.startswith("-"):
            reader.fail("printf could take a value for an option; write printf -- before it", _place(word))
        if not (word.literal and word.text.startswith("-")) or word.text == "--":
            if word.text != "--":
                _require_at_start(word, Check.NO_OPTION)
            return


def _declaration(words: list[Word], reader: Refusing) -> None:
    """``export name=${x}`` is fine; names made of values and attributes that calculate are not."""
    plain = True
    for word in words[1:]:
        if word.literal and word.text[:1] in ("-", "+"):
            if _CALCULATING_ATTRIBUTES & set(word.text):
                reader.refuse_any(f"{words[0].text} {word.text} makes the shell calculate with values")
            plain = plain and set(word.text) <= _HARMLESS_ATTRIBUTES
            continue
        found = _ASSIGNMENT.match(word.text)
        if found is None:
            plain = plain and not word.dynamic
            if word.slots:
                reader.fail("a value cannot be the name of a variable; write name=${...}", _place(word))
        elif word.slots:
            if MARK in found.group() or not (plain or found[3]):
                reader.fail(f"{words[0].text} would read more into a value here", _place(word))
            _check_assignment(word, found, reader)


def _test(words: list[Word], reader: Refusing) -> None:
    last = words[-1]
    closed = words[0].text == "[" and last.literal and last.text == "]"
    review_test(words[1:-1] if closed else words[1:], reader, double=False)


def review_test(operands: Sequence[Word], reader: Refusing, *, double: bool) -> None:
    """Look at the operands of ``[ ]``, or of ``[[ ]]`` where ``double``."""
    texts = [word.text if word.literal else "" for word in operands]
    for place, text in enumerate(texts):
        around = [*operands[max(0, place - 1) : place], *operands[place + 1 : place + 2]]
        if text in _COMPARING:
            for word in around:
                _require(word, Check.INTEGER)
        if text in _NAMING:
            _refuse_values(
                operands[place + 1 : place + 2],
                reader,
                f"{text} would take a value for the name of a variable and its index",
            )
    if not (double or _well_formed(texts)):
        for word in operands:
            _check_operator(word, reader)


def _well_formed(texts: list[str]) -> bool:
    """Whether the number of operands alone tells ``[`` which of them are operators."""
    if texts and texts[0] == "!":
        texts = texts[1:]
    if len(texts) == 2:
        return texts[0].startswith("-")
    return len(texts) < 2 or (len(texts) == 3 and texts[1] in _BETWEEN)


def _check_operator(word: Word, reader: Refusing) -> None:
    if word.slots and word.text.startswith("-"):
        reader.fail("the test could take this for an operator; use one [ ] for each comparison", _place(word))
    _require_at_start(word, Check.NO_OPERATOR)


def _remote(words: list[Word], reader: Refusing) -> None:
    """The words after the host are put together and run by a shell there."""
    place = 1
    while place < len(words) and words[place].text.startswith("-"):
        word = words[place]
        followed = len(word.text) == 2 and word.text[1] in _REMOTE_ARGUMENT
        if word.text.startswith("-o"):
            _refuse_values(
                words[place : place + 2], reader, "an option of ssh may hold a command; no value here"
            )
        place += 2 if followed else 1
        if word.text == "--":
            break
    for word in words[place : place + 1]:
        _require_at_start(word, Check.NO_OPTION)
    _refuse_values(
        words[place + 1 :],
        reader,
        f"the shell on the other machine would run a value as code; send it to the input of {words[0].text}",
    )


def _script_option(words: list[Word], reader: Refusing) -> None:
    for before, word in pairwise(words):
        glued = word.text.startswith(("-c", "--command=", "--session-command="))
        if glued or before.text in ("-c", "--command", "--session-command"):
            _refuse_values([word], reader, f"{words[0].text} would run a value as code; {_AS_ARGUMENT}")


def _source(words: list[Word], reader: Refusing) -> None:
    if len(words) > 1 and words[1].within and "<(" in words[1].text:
        reader.fail("a script made with a value would be run as code", words[1].start)


_RULES: dict[str, Rule] = {
    "eval": _eval,
    "trap": _trap,
    "getopts": _getopts,
    "for": _loop,
    "select": _loop,
    "let": _numbers,
    "shift": _numbers,
    "ulimit": _numbers,
    "wait": _numbers,
    "set": _set,
    "printf": _printf,
    "print": _printf,
    "[": _test,
    "test": _test,
    ".": _source,
    "source": _source,
    **dict.fromkeys(_ALL_CODE, _all_code),
    **dict.fromkeys(_ALL_NAMES, _all_names),
    **dict.fromkeys(_DECLARING, _declaration),
    **dict.fromkeys(_REMOTE, _remote),
    **dict.fromkeys(_SCRIPT_OPTION, _script_option),
}


def _scripts(words: list[Word], command: Command, reader: Refusing) -> None:
    """Look for a shell among the words, and for what it will run as its script."""
    first = words[0]
    if not first.literal:
        _unknown_program(words, reader)
    if first.program in ("source", ".") and any(word.text in _STANDARD_INPUT for word in words[1:2]):
        _script_from_input(command, reader)
    for place, word in enumerate(words):
        if word.program in SHELLS:
            _shell(words, place, command, reader)
            return
    if first.program in _REMOTE:
        _script_from_input(command, reader, fed=False)


def _unknown_program(words: list[Word], reader: Refusing) -> None:
    for before, word in pairwise(words):
        if word.holds_value and before.literal and re.fullmatch(r"-[a-z]*c", before.text):
            message = f"the program is not known here, and {before.text} may make it run a value as code"
            reader.fail(f"{message}; {_AS_ARGUMENT}", _place(word))


def _shell(words: list[Word], place: int, command: Command, reader: Refusing) -> None:
    """``words[place]`` is the name of a shell; find its script."""
    flagged, operand = _operand(words, place + 1)
    runs_it = place == 0 or words[0].program in _HAND_ON | _START
    script = words[operand] if operand < len(words) else None
    if flagged:
        if script is not None and script.holds_value:
            _script_argument(words, place, script, reader)
    elif script is None or script.text in _STANDARD_INPUT or _reads_input(words[place + 1 : operand]):
        if runs_it:
            _script_from_input(command, reader)
    elif script.within and "<(" in script.text and runs_it:
        reader.fail("a script made with a value would be run as code", script.start)


def _operand(words: list[Word], place: int) -> tuple[bool, int]:
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


def _script_argument(words: list[Word], place: int, script: Word, reader: Refusing) -> None:
    """A script with values in it as the argument of ``sh -c``."""
    handed_on = place == 0 or all(word.literal for word in words[:place])
    known = place == 0 or words[0].program in _HAND_ON
    if words[0].program == "find" and words[place - 1].text not in _FIND_ACTIONS:
        known = False
    if not (known and handed_on and reader.embed(script, words[0])):
        reader.fail(
            f"{words[place].text} would run a value as code; put the whole script in one pair of "
            f"single quotes, or {_AS_ARGUMENT}",
            _place(script),
        )


def _script_from_input(command: Command, reader: Refusing, *, fed: bool = True) -> None:
    """The command runs what it reads as a script."""
    message = "a script that a shell reads from its input would hold a value as code"
    for document in command.here_documents:
        document.script = True
    _refuse_values(command.here_strings, reader, f"{message}; {_AS_ARGUMENT}")
    if fed and command.fed:
        reader.fail(f"{message}; {_AS_ARGUMENT}", command.words[0].start)
