"""The commands of a shell that read a value again, as code, a number or the name of a variable, and what to
do.

A shell passes the value of a quoted reference to a command unchanged. Some commands start a second reading:
``eval`` runs an argument as a script, ``let`` calculates with it, ``read`` takes it for the name of a
variable, whose index may hold a command. If it can be made safe, it is: a script in one pair of quotes is
rewritten, a number is checked. Everything else is refused when the command is compiled. All this holds for a
value and for a variable that was assigned one (see :mod:`batchmill.template.shell.flows`).

A built-in command counts as doing all that it does in any shell, because ``sh`` is another shell on other
systems.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import cycle

from batchmill.template.shell.conditions import review_test
from batchmill.template.shell.lists import review_lists
from batchmill.template.shell.programs import review_program
from batchmill.template.shell.reviewing import RuleReader, demand, refuse
from batchmill.template.shell.shells import STANDARD_INPUT, script_from_input
from batchmill.template.shell.words import MARK, Check, ParsedCommand, ValueFlow, Word, identifiers, names

_PREFIXES = frozenset({"command", "builtin", "noglob", "nocorrect"})
_ALL_CODE = names("alias bind compgen complete emulate fc mapfile readarray sched vared")
_NUMBERS = names("shift ulimit wait exit return break continue logout repeat")
_DECLARING = names("declare typeset local export readonly")

_EVALUATED_VARIABLES = names("BASH_ENV ENV PS0 PS1 PS2 PS3 PS4 PROMPT PROMPT_COMMAND RPS1 RPROMPT")
_NUMBER_VARIABLES = names(
    "BASHPID COLUMNS EGID ERRNO EUID FUNCNEST GID HISTCMD HISTFILESIZE HISTSIZE KEYTIMEOUT LINENO LINES "
    "LISTMAX MAILCHECK OPTIND PGRP PPID RANDOM SAVEHIST SECONDS SHLVL SRANDOM TMOUT UID USER_ID"
)

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\[.*\])?\+?=(\()?", re.DOTALL)
_HARMLESS_ATTRIBUTES = frozenset("-+xrgplu")
_CONVERSION = re.compile(r"%%|%(?:\d+\$)?[-+ #0']*(\*|\d*)(?:\.(\*|\d*))?[hlLqjzt]*(.)", re.DOTALL)
_NUMERIC = frozenset("diouxXeEfFgGaA")

Rule = Callable[[list[Word], ParsedCommand, RuleReader], None]


def review(command: ParsedCommand, reader: RuleReader) -> list[Word]:
    """Review one simple command: refuse it, or set the checks that its values need. Returns its words without
    assignments and without the words that only say how to look up the first."""
    words = _without_assignments(command.words, reader)
    for word in words:
        _check_variable(word, reader)
    words = _without_prefixes(words)
    if words:
        rule = _RULES.get(words[0].program)
        if rule is not None:
            rule(words, command, reader)
        review_program(words, command, reader)
        review_lists(words, reader)
    return words


def _without_assignments(words: list[Word], reader: RuleReader) -> list[Word]:
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


def _check_assignment(word: Word, found: re.Match[str], reader: RuleReader) -> None:
    name, index = found[1], found[2]
    if index:
        if MARK in index:
            reader.fail("a value cannot be the index of an array: the shell calculates it", word.place)
        reader.flows.demand(word.flows_before(found.end(2)), Check.INTEGER, array=name)
        reader.flows.demand([ValueFlow(one) for one in identifiers(index)], Check.INTEGER, array=name)
    _check_variable(word, reader)
    assigned = word.flows_from(found.end())
    if name in _NUMBER_VARIABLES:
        reader.flows.demand(assigned, Check.INTEGER)
    if found[3]:
        reader.flows.list(name)
    reader.flows.add(name, assigned, text=word.text[found.end() :] if word.literal else "")


def _check_variable(word: Word, reader: RuleReader) -> None:
    name = word.text.partition("=")[0]
    if name in _EVALUATED_VARIABLES:
        refuse([word], reader, f"{name} cannot get a value: a shell runs what is in it")


def _eval(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    given = words[1:]
    if any(word.holds_value for word in given):
        if not (len(given) == 1 and reader.embed(given[0], command)):
            refuse(given, reader, "eval would run a value as code; use it without eval")
        return
    refuse(given, reader, "eval would run a value as code; use it without eval")
    reader.look_into(" ".join(word.text for word in given), words[0].start, command)


def _trap(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    operands = [word for word in words[1:] if word.text != "--"]
    if not operands or (operands[0].holds_value and reader.embed(operands[0], command)):
        return
    refuse(operands[:1], reader, "trap would run a value as code; put the command in single quotes")
    reader.look_into(operands[0].text, words[0].start, command)


def _all_code(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    name = words[0].program
    refuse(words[1:], reader, f"{name} would read a value as code; use another command for it")


def _read(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    before = ""
    for word in words[1:]:
        if before.startswith("-") and before[-1:] in ("t", "n", "N", "k", "u"):
            demand([word], reader, Check.NUMBER)
        elif not (before.startswith("-") and before[-1:] in ("p", "d", "i")):
            _name([word], words[0], reader)
        before = word.text if word.literal else ""


def _all_names(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    _name(words[1:], words[0], reader)


def _getopts(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    _name(words[1:3], words[0], reader)


def _name(given: list[Word], by: Word, reader: RuleReader) -> None:
    refuse(given, reader, f"{by.program} would read a value as the name of a variable and its index")
    for word in given:
        name, _, index = word.text.partition("[")
        reader.flows.demand([ValueFlow(one) for one in identifiers(index)], Check.INTEGER, array=name)


def _loop(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    refuse(words[1:2], reader, "a value cannot be the name of a variable")


def _numbers(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    demand(words[1:], reader, Check.INTEGER)


def _let(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    demand(words[1:], reader, Check.INTEGER)
    for word in words[1:]:
        reader.flows.demand([ValueFlow(name) for name in identifiers(word.text)], Check.INTEGER)


def _set(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    for word in words[1:]:
        if word.literal and word.text[:1] in ("-", "+") and word.text != "--":
            continue
        if any(flow.leading for flow in word.flows):
            refuse([word], reader, "set could read a value as an option; write set -- before it")
        return


def _printf(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    """bash and zsh take ``printf -v name`` and evaluate the index of that name; zsh and ksh calculate with an
    argument that is printed as a number."""
    program, place = words[0].program, 1
    while place < len(words) and words[place].text.startswith("-") and words[place].text != "--":
        option = words[place]
        if option.text == "-v" and option.literal:
            refuse(
                words[place + 1 : place + 2],
                reader,
                "printf -v would read a value as the name of a variable",
            )
            place += 1
        elif program == "print" and "P" in option.text:
            refuse(words[place:], reader, "print -P would expand a value; use it without -P")
        refuse([option], reader, "printf could read a value as an option; write printf -- before it")
        place += 1
    protected = place < len(words) and words[place].text == "--"
    given = words[place + protected :]
    if not protected:
        demand(given[:1], reader, Check.NO_OPTION)
    if given and given[0].literal and program == "printf":
        _print_numbers(given[0].text, given[1:], reader)


def _print_numbers(form: str, given: list[Word], reader: RuleReader) -> None:
    numeric: list[bool] = []
    for found in _CONVERSION.finditer(form):
        if found[3] is not None:
            numeric += [True for star in (found[1], found[2]) if star == "*"]
            numeric.append(found[3] in _NUMERIC)
    for word, counted in zip(given, cycle(numeric), strict=False):
        if counted and word.text[:1] not in ("'", '"'):  # 'A stands for the number of a character
            demand([word], reader, Check.NUMBER)


def _declaration(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    """``export name=${x}`` is fine; refuse names made of values, and attributes that calculate."""
    attributes: set[str] = set()
    plain = True
    for word in words[1:]:
        if word.literal and word.text[:1] in ("-", "+"):
            attributes |= set(word.text)
            plain = plain and set(word.text) <= _HARMLESS_ATTRIBUTES | set("iEF0123456789")
            if "n" in attributes:
                reader.refuse_any(f"{words[0].text} {word.text} makes the shell calculate with values")
            continue
        found = _ASSIGNMENT.match(word.text)
        if found is None:
            plain = plain and not word.dynamic
            _declared_name(word, reader)
        else:
            if MARK in found.group() or not (plain or found[3]):
                refuse([word], reader, f"{words[0].text} would read a value here as more than text")
            _check_assignment(word, found, reader)
            if not found[3]:
                reader.flows.demand(word.flows_from(found.end()), Check.NO_LIST, only_list=found[1])
        _attributes(found[1] if found else word.text, word, attributes, reader)


def _declared_name(word: Word, reader: RuleReader) -> None:
    message = "a value cannot be the name of a variable; write name=${...}"
    if word.slots:
        reader.fail(message, word.place)
    reader.forbid(word.flows, message, word.place, Check.NO_INDEX)


def _attributes(name: str, word: Word, attributes: set[str], reader: RuleReader) -> None:
    """Apply the attributes of a declaration to later assignments to ``name``."""
    flows = reader.flows
    if "A" in attributes:
        flows.keyed(name)
    if attributes & set("aA"):
        flows.list(name)
    if attributes & set("iEF"):
        flows.demand([ValueFlow(name)], Check.INTEGER)
    if "n" in attributes:
        refuse([word], reader, "a value cannot be the name of a variable")
        target = word.text.partition("=")[2].partition("[")[0]
        if word.literal and target:
            flows.add(target, [ValueFlow(name)])
            flows.add(name, [ValueFlow(target)])


def _test(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    last = words[-1]
    closed = words[0].text == "[" and last.literal and last.text == "]"
    review_test(words[1:-1] if closed else words[1:], reader, double=False)


def _source(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    for word in words[1:2]:
        if word.text in STANDARD_INPUT:
            script_from_input(words, command, reader, reader.positions)
        elif word.text.startswith("<("):
            refuse([word], reader, "a script made with a value would run as code")


_RULES: dict[str, Rule] = {
    "eval": _eval,
    "trap": _trap,
    "read": _read,
    "getopts": _getopts,
    "for": _loop,
    "select": _loop,
    "let": _let,
    "set": _set,
    "printf": _printf,
    "print": _printf,
    "[": _test,
    "test": _test,
    ".": _source,
    "source": _source,
    **dict.fromkeys(names("unset integer float nameref"), _all_names),
    **dict.fromkeys(_ALL_CODE, _all_code),
    **dict.fromkeys(_NUMBERS, _numbers),
    **dict.fromkeys(_DECLARING, _declaration),
}
