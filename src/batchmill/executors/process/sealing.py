"""Results that pass through a process which may not have the modules of their classes.

The reader of a worker's frames unpickles a sealed value as :class:`Sealed`, and pickling that again gives the
value itself. Plain data is not sealed: every process can read it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, SupportsIndex

from batchmill.executors.pickling import pickler
from batchmill.outcome import ErrorInfo, Outcome

MOST_LOOKED_AT = 64  # values, of a result that holds others


def sealed(value: Any) -> Any:
    """``value``, sealed unless it is plain data. Raises what pickling raises."""
    return (
        value
        if _is_data(value, [MOST_LOOKED_AT])
        else _Sealing(bytes(pickler.dumps(value, [], in_band=True)))
    )


def sealed_outcome(outcome: Outcome) -> Outcome:
    """An outcome with all sealed in it that comes from the user's code; the error is read on the way."""
    records = tuple(map(sealed, outcome.records))
    error = sealed_error(outcome.error)
    return replace(outcome, value=sealed(outcome.value), records=records, error=error)


def sealed_error(error: ErrorInfo | None) -> ErrorInfo | None:
    """The same for an error by itself."""
    if error is None or not error.outputs:
        return error
    return replace(error, outputs={name: sealed(value) for name, value in error.outputs.items()})


class Sealed:
    """A value as its pickle. Pickling it gives the value."""

    def __init__(self, packed: pickler.Stream) -> None:
        self._packed = packed

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return pickler.loads, (pickler.as_buffer(self._packed, protocol),)


class _Sealing:
    """Becomes :class:`Sealed` in the process that unpickles it first."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return Sealed, (pickler.as_buffer(self._packed, protocol),)


def _is_data(value: Any, left: list[int]) -> bool:
    """Whether a value consists of Python's own types, checking at most ``left`` parts."""
    left[0] -= 1
    if left[0] < 0:
        return False
    if type(value) in pickler.PLAIN:
        return True
    if type(value) is dict:
        return all(type(key) is str and _is_data(one, left) for key, one in value.items())
    return type(value) in (list, tuple) and all(_is_data(one, left) for one in value)
