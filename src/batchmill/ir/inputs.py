"""The values a run is given, against the inputs that its document declares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from batchmill.errors import Problem
from batchmill.ir.faults import Fault, all_of, did_you_mean, path_text, shown
from batchmill.ir.json_types import is_type, type_words
from batchmill.ir.models import InputSpec, Workflow
from batchmill.ir.value_schema import value_faults
from batchmill.values import LostDigits, NotJson, exact_number, from_json
from batchmill.values.words import kind_of

_BOOLEANS = {"true": True, "false": False}


class _Mismatch(Exception):  # never leaves this module
    """Raised inside this module when a value is not what its input declares."""


def check_inputs(
    workflow: Workflow, given: Mapping[str, object], text: frozenset[str] = frozenset()
) -> tuple[dict[str, object], list[Problem]]:
    """The value of every declared input, and every problem with the given ones.

    The names in ``text`` were given as text, ``name=value``: their values are read by the declared type. An
    input that is not required and has no default is None. Messages never contain values of secret inputs.
    """
    values, faults = input_values(workflow.inputs, given, text)
    return values, [Problem(path_text(fault.path), fault.message, fault.hint) for fault in faults]


def input_values(
    inputs: Mapping[str, InputSpec],
    given: Mapping[str, object],
    text: frozenset[str] = frozenset(),
    way: str = "{}=VALUE",
) -> tuple[dict[str, object], list[Fault]]:
    """The same for inputs by themselves; each fault's path is ``("inputs", name)``.

    ``way`` is the form in which an input is given, with ``{}`` for its name.
    """
    values: dict[str, Any] = {}
    faults = [_unknown(name, inputs) for name in given if name not in inputs]
    for name, spec in inputs.items():
        if name not in given:
            values[name] = spec.default
            if spec.must_be_given:
                faults.append(_missing(name, spec, way))
            continue
        try:
            values[name] = _value(spec, given[name], name in text)
        except _Mismatch as error:
            faults.append(Fault(("inputs", name), f"the input `{name}` {error}"))
    return values, faults


def _unknown(name: str, inputs: Mapping[str, InputSpec]) -> Fault:
    known = all_of(inputs)
    hint = did_you_mean(name, inputs) or (f"there are {known}" if known else "there are none")
    return Fault(("inputs", name), f"the document has no input `{name}`", hint)


def _missing(name: str, spec: InputSpec, way: str) -> Fault:
    hint = f"give it as {way.format(name)}" + (f": {spec.description}" if spec.description else "")
    return Fault(("inputs", name), f"the input `{name}` is missing", hint)


def _value(spec: InputSpec, value: object, is_text: bool) -> object:
    read = _from_text(spec, value, is_text) if isinstance(value, str) else value
    if not is_type(read, spec.json_type):
        raise _Mismatch(f"must be {type_words(spec.json_type)}, not {_seen(spec, read)}")
    if isinstance(read, float) and spec.json_type in ("integer", "number"):
        if not math.isfinite(read):
            raise _Mismatch("must be a finite number")
        read = int(read) if spec.json_type == "integer" else read
    faults = value_faults(read, spec.schema_, spec.secret)
    if faults:
        raise _Mismatch("does not meet its schema: " + "; ".join(faults))
    return read


def _seen(spec: InputSpec, value: object) -> str:
    return kind_of(value) if spec.secret else shown(value)


def _from_text(spec: InputSpec, value: str, is_text: bool) -> object:
    """``value`` read by its type; if that fails it stays text, which then does not fit the type.

    Text that came as a value with a type of its own (not ``is_text``) is read only for a list or an object.
    """
    if spec.json_type in ("array", "object"):
        return _container(spec, value)
    if not is_text:
        return value
    if spec.json_type == "boolean":
        return _BOOLEANS.get(value.strip().lower(), value)
    return _number(spec, value) if spec.json_type in ("integer", "number") else value


def _number(spec: InputSpec, value: str) -> object:
    try:
        return exact_number(value)
    except LostDigits as error:
        reason = "" if spec.secret else f": {error}"
        raise _Mismatch(f"must be {type_words(spec.json_type)}{reason}") from None
    except ValueError:
        return value


def _container(spec: InputSpec, value: str) -> object:
    try:
        return from_json(value)
    except NotJson as error:
        words = "" if spec.secret else f", not {shown(value)} (as JSON: {error})"
        raise _Mismatch(f"must be {type_words(spec.json_type)}{words}") from None
