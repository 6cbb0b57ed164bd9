"""Taint analysis: where values go within one command text, and what they must be where they arrive.

A variable that was assigned a value is as dangerous as the value: in ``n=${x}; echo $((n))`` the shell
calculates with it. So while a command is read, every way a value can take becomes an edge of a graph:
assignments, arguments of functions and scripts, loops, pipes, here-strings, substitutions. Then each sink, a
place that reads something again as code, number or name, is followed back to the values that can arrive
there.

The order of commands is ignored: a variable that holds a value once counts as holding it everywhere. Files
are ignored too, because their content is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from batchmill.template.shell.words import (
    ANY,
    UNCOUNTED,
    Argument,
    Check,
    NamedVariables,
    PositionalParameters,
    Source,
    ValueFlow,
    ValuePlace,
    Word,
    identifiers,
)

_CALCULATING = frozenset({Check.INTEGER, Check.NUMBER})
# The check of a value where only something derived from it arrives.
_OF_A_PART = dict.fromkeys((*_CALCULATING, Check.ONE_WORD), Check.NO_INDEX)
_OF_THE_START = frozenset({Check.NO_OPTION, Check.NO_OPERATOR})


@dataclass(frozen=True, slots=True)
class _Demand:
    flows: tuple[ValueFlow, ...]
    check: Check
    array: str
    list: str


@dataclass(frozen=True, slots=True)
class _Ban:
    flows: tuple[ValueFlow, ...]
    message: str
    refuse: Callable[[str], NoReturn]
    parts: Check | None


class Flows:
    """The graph of one command text, and of the scripts within it."""

    def __init__(self) -> None:
        self._into: dict[Source, list[ValueFlow]] = {}
        self._demands: list[_Demand] = []
        self._bans: list[_Ban] = []
        self._texts: dict[Source, list[str]] = {}
        self._functions: dict[str, PositionalParameters] = {}
        self._keyed: set[str] = set()
        self._lists: set[str] = set()
        self._calculated: set[str] = set()

    @property
    def calculated(self) -> frozenset[str]:
        """The names of variables that the shell calculates with, once all is settled."""
        return frozenset(self._calculated)

    def function(self, name: str) -> PositionalParameters:
        """The positional parameters of a function, whether it is defined or not."""
        return self._functions.setdefault(name, PositionalParameters())

    def keyed(self, name: str) -> None:
        """The array ``name`` is an associative one: the shell does not calculate its keys."""
        self._keyed.add(name)

    def list(self, name: str) -> None:
        """The variable ``name`` is an array."""
        self._lists.add(name)

    def add(
        self, target: Source, flows: Iterable[ValueFlow], *, derived: bool = False, text: str = ""
    ) -> None:
        """Record that ``target`` holds ``flows``, or a part of them; ``derived`` says that they are changed.
        ``text`` is other text that it may hold, which may be the name of a variable."""
        if text:
            self._texts.setdefault(target, []).extend(identifiers(text))
        into = self._into.setdefault(target, [])
        into.extend(ValueFlow(one.source, one.derived or derived, one.leading or derived) for one in flows)

    def spread(self, positions: PositionalParameters, words: Iterable[Word], first: int = 1) -> None:
        """``words`` become positional parameters, counted from ``first``."""
        counted = True
        for number, word in enumerate(words, first):
            counted = counted and not word.splits
            text = word.text if word.literal else ""
            self.add(Argument(positions, number if counted else UNCOUNTED), word.flows, text=text)
            self.add(Argument(positions, ANY), word.flows, text=text)

    def demand(
        self, flows: Iterable[ValueFlow], check: Check, *, array: str = "", only_list: str = ""
    ) -> None:
        """Require that all values that arrive in ``flows`` pass ``check``. Keys of an ``array`` that is
        associative are exempt; values assigned to ``only_list`` are checked only if it is an array."""
        self._demands.append(_Demand(tuple(flows), check, array, only_list))

    def forbid(
        self,
        flows: Iterable[ValueFlow],
        message: str,
        refuse: Callable[[str], NoReturn],
        parts: Check | None = None,
    ) -> None:
        """No value may arrive in ``flows``; ``refuse(message)`` raises where one does. Something made from a
        value may, where it passes the check ``parts``."""
        self._bans.append(_Ban(tuple(flows), message, refuse, parts))

    def settle(self) -> None:
        """Set the checks of all values, and refuse values that arrive where none may."""
        for ban in self._bans:
            for slot, flow, name in self._arriving(ban.flows):
                if flow.derived and ban.parts is not None:
                    slot.checks.add(ban.parts)
                    continue
                ban.refuse(f"{ban.message} (${name} holds one)" if name else ban.message)
        for demand in self._demands:
            if demand.array in self._keyed or (demand.list and demand.list not in self._lists):
                continue
            calculated = demand.check in _CALCULATING
            for slot, flow, _ in self._arriving(demand.flows, by_name=calculated):
                if flow.leading or demand.check not in _OF_THE_START:
                    check = _OF_A_PART.get(demand.check, demand.check) if flow.derived else demand.check
                    slot.checks.add(check)
            if calculated:
                self._calculated.update(self._names(demand.flows))

    def _arriving(
        self, flows: Iterable[ValueFlow], *, by_name: bool = False
    ) -> Iterator[tuple[ValuePlace, ValueFlow, str]]:
        """Each value that arrives, how it arrives, and the last variable it comes through. A shell that
        calculates also follows flows ``by_name``: it takes text for the name of a variable."""
        for flow, name in self._all(flows, by_name):
            if isinstance(flow.source, ValuePlace):
                yield flow.source, flow, name

    def _names(self, flows: Iterable[ValueFlow]) -> Iterator[str]:
        for flow, _ in self._all(flows, True):
            if isinstance(flow.source, str) and not flow.derived:
                yield flow.source

    def _all(self, flows: Iterable[ValueFlow], by_name: bool) -> Iterator[tuple[ValueFlow, str]]:
        """``flows`` and all that flows into them, each as it arrives at the end, once."""
        waiting = [(flow, "") for flow in flows]
        seen = set()
        while waiting:
            flow, name = waiting.pop()
            known = (flow.source, flow.derived, flow.leading)
            if known in seen:
                continue
            seen.add(known)
            yield flow, name
            if isinstance(flow.source, str):
                name = name or flow.source
            for before in self._before(flow.source, by_name):
                leading = flow.leading and (before.leading or flow.derived)
                waiting.append((ValueFlow(before.source, flow.derived or before.derived, leading), name))

    def _before(self, source: Source, by_name: bool) -> Iterator[ValueFlow]:
        """The direct sources of ``source``."""
        if isinstance(source, NamedVariables):
            yield from (ValueFlow(name) for name in self._texts.get(source.holder, ()))
            for flow in self._into.get(source.holder, ()):
                if not isinstance(flow.source, (ValuePlace, NamedVariables)):
                    yield ValueFlow(NamedVariables(flow.source))
            return
        yield from self._into.get(source, ())
        if by_name and not isinstance(source, ValuePlace):
            yield ValueFlow(NamedVariables(source))
