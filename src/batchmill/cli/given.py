"""The inputs given on the command line: ``name=value``, ``--set-json name=JSON`` and ``--params FILE``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from batchmill.errors import InvalidDocument, Problem
from batchmill.graph.compile.warnings.texts import number_doubt
from batchmill.ir.faults import path_text
from batchmill.ir.loading import Draft, load
from batchmill.values import NotJson, from_json, to_json
from batchmill.warned import Warned


@dataclass(frozen=True, slots=True)
class Given:
    """Inputs by name. ``text`` holds those given as ``name=value``, whose type the document decides;
    ``values`` those that came with a type. No name is in both. ``warnings`` are likely mistakes in the file
    of inputs, by name."""

    values: dict[str, Any] = field(default_factory=dict)
    text: dict[str, str] = field(default_factory=dict)
    warnings: tuple[tuple[str, Warned], ...] = ()

    def told(self, document: object) -> tuple[Warned, ...]:
        """The warnings of inputs that are used, without numbers that the raw ``document`` declares
        as such."""
        declared = document.get("inputs") if isinstance(document, dict) else None
        specs = declared if isinstance(declared, dict) else {}
        numbers = {name for name, spec in specs.items() if isinstance(spec, dict) and _is_number(spec)}
        return tuple(
            warned
            for name, warned in self.warnings
            if name in self.values and not (name in numbers and warned.path == path_text((name,)))
        )


def _is_number(spec: dict[str, object]) -> bool:
    return spec.get("type") in ("number", "integer", "float", "int")


def given(pairs: Iterable[str], as_json: Iterable[str], file: Path | None) -> Given:
    """Merge the three; the command line overrides the file.

    Raises :class:`click.UsageError` for a pair without ``=``, invalid JSON and a name given twice on the
    command line, :class:`InvalidDocument` for a file that holds no inputs.
    """
    text = _pairs(pairs, "NAME=VALUE")
    typed = {name: _parsed(name, value) for name, value in _pairs(as_json, "--set-json NAME=JSON").items()}
    twice = sorted(text.keys() & typed.keys())
    if twice:
        raise click.UsageError(f"input {twice[0]!r} is given both as NAME=VALUE and by --set-json: keep one")
    from_file, warnings = _from_file(file) if file is not None else ({}, ())
    values = {name: value for name, value in from_file.items() if name not in text}
    return Given(values | typed, text, tuple(one for one in warnings if one[0] not in typed))


def with_stdin(found: Given, draft: Draft) -> Given:
    """``found`` and standard input, if the document has an input that takes it, that input was not given, and
    standard input is no terminal. Raises :class:`click.UsageError` for bytes that are not UTF-8, and if the
    document itself came from there."""
    declared = draft.raw.get("inputs") if isinstance(draft.raw, dict) else None
    for name, spec in declared.items() if isinstance(declared, dict) else ():
        wanted = isinstance(spec, dict) and spec.get("stdin") is True
        if not wanted or name in found.values or name in found.text:
            continue
        if draft.from_stdin:
            raise click.UsageError(
                f"the input {name!r} is taken from standard input, which held the document itself; give it "
                f"as {name}=..., or save the document in a file and run that"
            )
        if _is_piped():
            return replace(found, text={**found.text, name: _text_of_stdin(name)})
    return found


def _text_of_stdin(name: str) -> str:
    data = sys.stdin.buffer.read()
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        byte, line = data[error.start], data.count(b"\n", 0, error.start) + 1
        raise click.UsageError(
            f"standard input, which the input {name!r} takes, is no UTF-8 text: byte 0x{byte:02x} at offset "
            f"{error.start}, line {line}; convert it first"
        ) from None


def _is_piped() -> bool:
    return sys.stdin is not None and not sys.stdin.closed and not sys.stdin.isatty()


def _pairs(words: Iterable[str], form: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{word!r} is not an input: write {form}")
        if name in found:
            raise click.UsageError(f"input {name!r} is given twice: keep one")
        found[name] = value
    return found


def _parsed(name: str, text: str) -> object:
    try:
        return from_json(text)
    except NotJson as error:
        as_json = shlex.quote(f"{name}={to_json(text)}")
        hint = f"for text write {shlex.quote(f'{name}={text}')}, or --set-json {as_json}"
        raise click.UsageError(f"--set-json {name}: {text!r} is not JSON ({error}); {hint}") from None


def _from_file(file: Path) -> tuple[Mapping[str, object], tuple[tuple[str, Warned], ...]]:
    """The inputs in a file, and warnings about likely mistakes in it, by input name. Raises
    :class:`InvalidDocument` with line and column for a fault in it."""
    draft = load(file)
    if draft.faults:
        raise InvalidDocument(draft.problems(()), draft.source)
    if not isinstance(draft.raw, dict):
        message = Problem("$", "is not an object of inputs by name", 'write {"name": value, ...}')
        raise InvalidDocument((message,), draft.source)
    doubts = [number_doubt(number) for number in draft.odd_numbers if number.path]
    placed = {one.path: replace(one, source=draft.source) for one in draft.warnings(doubts)}
    named = ((str(doubt.fault.path[0]), placed[path_text(doubt.fault.path)]) for doubt in doubts)
    return draft.raw, tuple(named)
