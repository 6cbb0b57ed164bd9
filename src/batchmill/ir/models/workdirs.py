"""``workdir`` and ``keep`` of a node: a folder for each item, and the files of it to keep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

from batchmill.ir.faults import did_you_mean
from batchmill.ir.models.fields import _Checked, _fault

Removal = Literal["success", "always", "never"]
REMOVALS: tuple[Removal, ...] = get_args(Removal)
ITEM = "item"
_FOLDER_KEYS = ("per", "in", "remove")
_KEEP_KEYS = ("files", "to", "required")
_FOLDER_MEANT = (
    "`item`, or an object with `per` (`item`), `in` (a path) and `remove` (`success`, `always` or `never`)"
)
_KEEP_MEANT = "a list of patterns, or an object with `files` (such a list), `to` (a path) and `required`"


@dataclass(frozen=True, slots=True)
class Workdir:
    """``within`` is the folder in which the folders of items are made, as written in the document; None for
    that of the run. ``remove`` says when the folder of an attempt is removed."""

    within: str | None = None
    remove: Removal = "success"

    @classmethod
    def of(cls, written: Any) -> Workdir | None:
        """The value of ``workdir``; None if the key is missing."""
        if written is None or isinstance(written, str):
            return None if written is None else cls()
        return cls(written.get("in"), written.get("remove", "success"))


@dataclass(frozen=True, slots=True)
class Keep:
    """``patterns`` choose the files of an item's folder to keep. ``to`` is their destination, a template or
    path; None for a folder of the run. With ``required``, a pattern that matches no file fails the item."""

    patterns: tuple[str, ...]
    to: str | None = None
    required: bool = True

    @classmethod
    def of(cls, written: Any) -> Keep | None:
        """The value of ``keep``; None if the key is missing."""
        if written is None or isinstance(written, list):
            return None if written is None else cls(tuple(written))
        return cls(tuple(written["files"]), written.get("to"), written.get("required", True))


@dataclass(frozen=True)
class FolderPerItem(_Checked):
    """``item``, or an object with ``per``, ``in`` and ``remove``."""

    def check(self, value: Any) -> object:
        if value == ITEM:
            return value
        _require_keys(value, _FOLDER_KEYS, _FOLDER_MEANT)
        if value.get("per", ITEM) != ITEM or value.get("remove", "success") not in REMOVALS:
            raise _fault(_FOLDER_MEANT, value)
        _require_path(value, "in")
        return value

    def json_schema(self) -> dict[str, Any]:
        properties = {"per": {"const": ITEM}, "in": _PATH, "remove": {"enum": list(REMOVALS)}}
        folder = {"type": "object", "properties": properties, "minProperties": 1}
        return {"anyOf": [{"const": ITEM}, {**folder, "additionalProperties": False}]}


@dataclass(frozen=True)
class FilesKept(_Checked):
    """A list of patterns, or an object with ``files``, ``to`` and ``required``."""

    def check(self, value: Any) -> object:
        if not isinstance(value, list):
            _require_keys(value, _KEEP_KEYS, _KEEP_MEANT)
            if not isinstance(value.get("required", True), bool):
                raise _fault("an object whose `required` is true or false", value)
            _require_path(value, "to")
        patterns = value if isinstance(value, list) else value.get("files")
        if not isinstance(patterns, list) or not patterns or not all(map(_is_text, patterns)):
            raise _fault(_KEEP_MEANT, value)
        for pattern in patterns:
            if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
                raise _fault("patterns of files in the item's folder, without `/` in front and `..`", pattern)
        return value

    def json_schema(self) -> dict[str, Any]:
        patterns = {"type": "array", "items": _PATH, "minItems": 1}
        properties = {"files": patterns, "to": _PATH, "required": {"type": "boolean"}}
        files = {"type": "object", "properties": properties, "required": ["files"]}
        return {"anyOf": [patterns, {**files, "additionalProperties": False}]}


_PATH = {"type": "string", "pattern": r"[^\s]"}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _require_path(value: dict[str, object], key: str) -> None:
    if key in value and not _is_text(value[key]):
        raise _fault(f"an object whose `{key}` is a path", value)


def _require_keys(value: object, known: tuple[str, ...], meant: str) -> None:
    if not isinstance(value, dict) or not value:
        raise _fault(meant, value)
    for key in value:
        if key not in known:
            hint = did_you_mean(key, known) if isinstance(key, str) else ""
            raise _fault(f"{meant}{f' ({hint})' if hint else ''}", value)
