"""JSON Schemas that a document states for its inputs. jsonschema is imported only if there is one.

jsonschema recurses, through native code too, and where that meets the end of the stack is not the same
on every interpreter. So the depth of a schema and of the references that are followed have limits here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from batchmill.ir.patterns import LIMIT_SECONDS, PatternTooSlow, check_quick

Schema = dict[str, Any] | bool | None

MAX_LEVELS = 32
"""Levels of objects and lists in a schema."""

MAX_REFERENCES = 48
"""References followed within each other: a schema that refers to itself judges values of so many levels."""

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")

_SEARCHING = ("pattern", "patternProperties", "additionalProperties", "unevaluatedProperties")

Keyword = Callable[[Any, Any, Any, Any], Any]


class _TooManyReferences(Exception):  # never leaves this module
    """Raised inside this module if references exceed the limit."""


def schema_fault(schema: Schema) -> str | None:
    """Why ``schema`` is not a valid JSON Schema; None if it is one."""
    if schema is None or isinstance(schema, bool):
        return None
    if _levels(schema) > MAX_LEVELS:
        return f"it is nested deeper than {MAX_LEVELS} levels"
    import jsonschema  # heavy, and few documents state a schema

    try:
        _kind_for(schema).check_schema(schema)
    except jsonschema.SchemaError as error:
        return str(error.message)
    return None


def _levels(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_levels, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_levels, value), default=0)
    return 0


def value_faults(value: object, schema: Schema, secret: bool) -> list[str]:
    """The faults that ``schema`` (a valid one) finds in ``value``; a secret value is not shown.

    References inside the schema are followed, references to other documents are never fetched.
    """
    if schema is None or schema is True:
        return []
    import referencing  # comes with jsonschema

    # Where a schema names its draft, jsonschema goes back to its own class, which counts nothing.
    plain = {key: part for key, part in schema.items() if key != "$schema"} if schema else schema
    validator = _limited(_kind_for(schema))(plain, registry=referencing.Registry())
    try:
        errors = sorted(validator.iter_errors(value), key=lambda error: error.json_path)
        return [_words(error, secret) for error in errors]
    except referencing.exceptions.Unresolvable as error:
        return [f"the schema refers to {error.ref}, which is not in it"]
    except PatternTooSlow as error:
        return [
            f"its pattern {error.pattern!r} takes more than {LIMIT_SECONDS:g} s to be compared with this "
            "value: write it without repetitions inside repetitions"
        ]
    except (_TooManyReferences, RecursionError):
        return [f"the schema refers to itself more than {MAX_REFERENCES} levels deep"]


def _kind_for(schema: dict[str, object] | bool) -> Any:
    """jsonschema's class for the draft that a schema names, else for 2020-12."""
    import jsonschema  # heavy, and few documents state a schema

    latest = jsonschema.Draft202012Validator
    return latest if isinstance(schema, bool) else jsonschema.validators.validator_for(schema, latest)


def _limited(kind: Any) -> Any:
    """``kind`` with the references it follows counted, and its regular expressions held to their limit."""
    import jsonschema  # heavy, and few documents state a schema

    depth = [0]

    def counted(follow: Keyword) -> Keyword:
        def run(validator: Any, reference: object, instance: object, schema: object) -> Iterator[Any]:
            if depth[0] >= MAX_REFERENCES:
                raise _TooManyReferences
            depth[0] += 1
            try:
                # A list, because a generator that is not read to its end would leave the count unchanged.
                found = list(follow(validator, reference, instance, schema) or ())
            finally:
                depth[0] -= 1
            return iter(found)

        return run

    known = {name: counted(kind.VALIDATORS[name]) for name in _REFERENCES if name in kind.VALIDATORS}
    known |= {name: _timed(kind.VALIDATORS[name]) for name in _SEARCHING if name in kind.VALIDATORS}
    extend: Any = jsonschema.validators.extend  # its types are not stated
    return extend(kind, validators=known)


def _timed(follow: Keyword) -> Keyword:
    """``follow``, run once its patterns are known to end in time on this value."""

    def run(validator: Any, value: object, instance: object, schema: Any) -> Any:
        if isinstance(instance, str) and isinstance(value, str):
            check_quick(value, instance)
        elif isinstance(instance, dict):
            for pattern in schema.get("patternProperties", ()):
                for key in instance:
                    check_quick(pattern, key)
        return follow(validator, value, instance, schema)

    return run


def _words(error: Any, secret: bool) -> str:
    where = "" if error.json_path == "$" else f"{error.json_path}: "
    if secret:
        return f"{where}it does not hold for `{error.validator}`"
    return f"{where}{error.message}"
