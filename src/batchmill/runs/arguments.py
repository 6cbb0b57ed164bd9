"""Check the arguments of :func:`batchmill.run` and :func:`batchmill.resume` before anything is done."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from batchmill.errors import InvalidSetting
from batchmill.events import Listener
from batchmill.ir.faults import all_of, did_you_mean
from batchmill.journal.journal import Journal
from batchmill.values.words import kind_of


def check_arguments(
    params: Mapping[str, object] | None, text_params: Mapping[str, str] | None, listeners: Iterable[Listener]
) -> tuple[Listener, ...]:
    """The listeners as a tuple. Raises :class:`InvalidSetting` for an argument of another kind."""
    _check_mapping("params", params)
    _check_mapping("text_params", text_params)
    heard = tuple(listeners) if isinstance(listeners, Iterable) else None
    if heard is None or not all(map(callable, heard)):
        raise InvalidSetting(f"`listeners` must be a list of functions, not {_shown(listeners)}")
    return heard


def check_taps(taps: Mapping[str, object], batch_nodes: Collection[str], *, part: bool) -> None:
    """Raise :class:`InvalidSetting` for a tap that would never be called: of no batch node, or no function.
    If only a ``part`` of the document runs, nodes may be missing."""
    for name, tap in taps.items():
        if not callable(tap):
            raise InvalidSetting(f"`taps[{name!r}]` must be a function, not {_shown(tap)}")
        if name not in batch_nodes and not part:
            meant = did_you_mean(name, batch_nodes) or f"it has {all_of(batch_nodes) or 'none'}"
            raise InvalidSetting(f"`taps` has {name!r}, which is no batch node of the document; {meant}")


def _check_mapping(name: str, given: object) -> None:
    if given is None:
        return
    if not isinstance(given, Mapping):
        hint = "; --params of `batchmill run` reads files" if isinstance(given, (str, os.PathLike)) else ""
        raise InvalidSetting(f"`{name}` must be a dictionary of inputs by name, not {_shown(given)}{hint}")
    for key in given:
        if not isinstance(key, str):
            raise InvalidSetting(f"`{name}` has a key that is not the name of an input: {key!r}")


def journal_of(given: Journal | str | Path) -> Journal:
    """The journal that an argument names. Raises :class:`InvalidSetting`."""
    if isinstance(given, Journal):
        return given
    if isinstance(given, (str, os.PathLike)) and str(given):
        return Journal(given)
    raise InvalidSetting(f"`journal` must be a path or a Journal, not {_shown(given)}")


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, (int, float, str)) else kind_of(value)
