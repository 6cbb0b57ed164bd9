"""The ``collect`` of a batch block: where results go, in which form; and how much of the item goes along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pydantic_core import PydanticCustomError

from batchmill.ir.faults import did_you_mean, shown
from batchmill.ir.models.fields import RANGE, _Checked, _fault

FileForm = Literal["jsonl", "csv", "parquet"]
FILE_FORMS: tuple[FileForm, ...] = get_args(FileForm)
_OTHERS = ("select", "errors")
_PACKED = (".gz", ".bz2", ".xz", ".zst")
_KEYS = (*FILE_FORMS, *_OTHERS)
_MEANT = (
    '`results`, `none`, or `{"jsonl": "path"}` (or `csv`, `parquet`) with or without `select` and `errors`'
)


def _message(words: str) -> PydanticCustomError:
    return PydanticCustomError(RANGE, "{words}", {"words": words})


@dataclass(frozen=True)
class CollectFile:
    """Results in a file: ``path``, and ``errors`` for the entries of failed items, as written in the
    document. ``select`` is a template for each column; None if rows are the results themselves."""

    form: FileForm
    path: str
    select: Mapping[str, Any] | None = field(default=None)
    errors: str | None = None

    @classmethod
    def of(cls, written: object) -> CollectFile | None:
        """The file that ``collect`` describes; None if it is not a file."""
        if not isinstance(written, dict):
            return None
        form = next(one for one in FILE_FORMS if one in written)
        return cls(form, written[form], written.get("select"), written.get("errors"))


@dataclass(frozen=True)
class ResultsTo(_Checked):
    """Where results go: ``results``, ``none``, or an object with one of ``jsonl``, ``csv`` and ``parquet``,
    with or without ``select`` and ``errors``."""

    def check(self, value: object) -> object:
        if value in ("results", "none"):
            return value
        if not isinstance(value, dict):
            raise _fault(_MEANT, value)
        forms = [key for key in FILE_FORMS if key in value]
        for key in value:
            if key not in _KEYS:
                hint = did_you_mean(key, _KEYS) if isinstance(key, str) else ""
                raise _message(f"unknown key {shown(key)}; {hint or f'it must be {_MEANT}'}")
        if len(forms) != 1:
            given = " and ".join(f"`{form}`" for form in forms) or "none of `jsonl`, `csv` and `parquet`"
            raise _message(f"must be {_MEANT}, in one form, and has {given}")
        for key in (forms[0], "errors"):
            if key in value and not (isinstance(value[key], str) and value[key].strip()):
                raise _message(f"`{key}` must be a path, not {shown(value[key])}")
        self._check_select(value.get("select"), "select" in value)
        if forms[0] == "parquet" and value["parquet"].lower().endswith(_PACKED):
            raise _fault("an object whose `parquet` is not compressed again (Parquet is by itself)", value)
        return value

    def _check_select(self, select: object, given: bool) -> None:
        if not given:
            return
        if not isinstance(select, dict) or not select or not all(isinstance(key, str) for key in select):
            raise _fault("an object whose `select` has a template for each column", select)
        for column in select:
            if "${" in column or not column:
                raise _fault("an object whose `select` names columns without templates", select)

    def json_schema(self) -> dict[str, Any]:
        path = {"type": "string", "pattern": r"[^\s]"}
        columns = {"type": "object", "minProperties": 1}
        files = [
            {
                "type": "object",
                "properties": {form: path, "select": columns, "errors": path},
                "required": [form],
                "additionalProperties": False,
            }
            for form in FILE_FORMS
        ]
        return {"anyOf": [{"enum": ["results", "none"]}, *files]}


@dataclass(frozen=True)
class ItemKept(_Checked):
    """Whether an entry of ``results`` has the item: true, false, or the keys of the item that it has."""

    def check(self, value: object) -> object:
        if isinstance(value, bool):
            return value
        if isinstance(value, list) and value and all(isinstance(key, str) for key in value):
            return value
        raise _fault("true, false or a list of keys of the item", value)

    def json_schema(self) -> dict[str, Any]:
        keys = {"type": "array", "items": {"type": "string"}, "minItems": 1}
        return {"anyOf": [{"type": "boolean"}, keys]}
