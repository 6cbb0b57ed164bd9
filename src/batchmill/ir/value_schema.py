"""JSON Schemas that a document states for its inputs. jsonschema is imported only where there is one."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any] | bool | None


def schema_fault(schema: Schema) -> str | None:
    """Why ``schema`` is no JSON Schema, None where it is one."""
    if schema is None or isinstance(schema, bool):
        return None
    import jsonschema  # heavy, and few documents state a schema

    try:
        jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator).check_schema(schema)
    except jsonschema.SchemaError as error:
        return error.message
    except RecursionError:
        return "it is nested too deep"
    return None


def value_faults(value: Any, schema: Schema, secret: bool) -> list[str]:
    """What ``schema`` (a sound one) finds wrong with ``value``; a secret value is not shown.

    References inside the schema are followed, references to other documents are never fetched.
    """
    if schema is None or schema is True:
        return []
    import jsonschema  # heavy, and few documents state a schema
    import referencing

    kind = (
        jsonschema.Draft202012Validator
        if schema is False
        else jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    )
    validator = kind(schema, registry=referencing.Registry())
    try:
        errors = sorted(validator.iter_errors(value), key=lambda error: error.json_path)
        return [_words(error, secret) for error in errors]
    except referencing.exceptions.Unresolvable as error:
        return [f"the schema refers to {error.ref}, which is not in it"]
    except RecursionError:
        return ["the schema refers to itself without end"]


def _words(error: Any, secret: bool) -> str:
    where = "" if error.json_path == "$" else f"{error.json_path}: "
    if secret:
        return f"{where}it does not hold for `{error.validator}`"
    return f"{where}{error.message}"
