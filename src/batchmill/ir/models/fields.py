"""Field types whose messages state the whole allowed range.

Each type checks strictly (``"10"``, ``true`` and NaN are no numbers; ``10.0`` is a whole number, as in JSON
Schema) and states the same range in the JSON Schema.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from pydantic import (
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from batchmill.errors import InvalidSetting
from batchmill.ir.faults import shown
from batchmill.policy.adaptive.concurrency_range import ConcurrencyRange
from batchmill.policy.concurrency import MOST_CONCURRENT

MAX_SECONDS = 31_536_000.0
"""A year. No timeout or wait is meant to be longer, and timers of the platform overflow somewhere above."""

RANGE = "range"
"""The error type of every fault found here; its message can be shown unchanged."""


def _fault(words: str, value: object) -> PydanticCustomError:
    return PydanticCustomError(RANGE, "must be {words}, not {value}", {"words": words, "value": shown(value)})


class _Checked:
    """Makes a pydantic type from a ``check`` and a ``json_schema``."""

    def check(self, value: object) -> Any:
        raise NotImplementedError

    def json_schema(self) -> dict[str, Any]:
        raise NotImplementedError

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return self.json_schema()


@dataclass(frozen=True)
class Whole(_Checked):
    """A whole number from ``low`` to ``high``, both allowed."""

    low: int
    high: int

    def check(self, value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise _fault(f"a whole number from {self.low:,} to {self.high:,}", value)
        return value

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True)
class WholeOrAuto(Whole):
    """A whole number, or the word ``auto``."""

    def check(self, value: object) -> Any:
        if value == "auto":
            return value
        try:
            return super().check(value)
        except PydanticCustomError:
            raise _fault(f"`auto` or a whole number from {self.low:,} to {self.high:,}", value) from None

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [{"const": "auto"}, super().json_schema()]}


_SPAN = r"[1-9][0-9]{0,4}-[1-9][0-9]{0,4}-[1-9][0-9]{0,4}"


@dataclass(frozen=True)
class CountOrShare(_Checked):
    """A number of items, from 1, or a share of them, above 0 and below 1."""

    high: int

    def check(self, value: Any) -> int | float:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number and 0 < value < 1:
            return float(value)
        if not is_number or not 1 <= value <= self.high or value != int(value):
            raise _fault("a whole number of items from 1, or a share of them above 0 and below 1", value)
        return int(value)

    def json_schema(self) -> dict[str, Any]:
        share = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
        return {"anyOf": [{"type": "integer", "minimum": 1, "maximum": self.high}, share]}


@dataclass(frozen=True)
class WholeOrSpan(Whole):
    """A number of items in flight, ``auto``, or the least, first and most of it such as ``4-20-100``."""

    low: int = 1
    high: int = MOST_CONCURRENT

    def check(self, value: object) -> Any:
        if isinstance(value, str):
            return self._span(value)
        try:
            return super().check(value)
        except PydanticCustomError:
            raise _fault(self._words(), value) from None

    def _span(self, text: str) -> str:
        try:
            ConcurrencyRange.parse(text)
        except InvalidSetting:
            raise _fault(self._words(), text) from None
        return text

    def _words(self) -> str:
        return f"a whole number from 1 to {self.high:,}, `auto`, or least, first and most such as `4-20-100`"

    def json_schema(self) -> dict[str, Any]:
        span = {"type": "string", "pattern": f"^(auto|{_SPAN})$"}
        return {"anyOf": [super().json_schema(), span]}


@dataclass(frozen=True)
class WholeOrTemplate(Whole):
    """A whole number, or a template that gives one."""

    def check(self, value: object) -> Any:
        if isinstance(value, str) and "${" in value:
            return value
        try:
            return super().check(value)
        except PydanticCustomError:
            raise _fault("a whole number or a template", value) from None

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [super().json_schema(), {"type": "string", "pattern": r"\$\{"}]}


@dataclass(frozen=True)
class TemplateOrTruth(_Checked):
    """A template, or true or false, which becomes the template of it."""

    def check(self, value: object) -> str:
        if isinstance(value, bool):
            return "${true}" if value else "${false}"
        if isinstance(value, str) and "${" in value:
            return value
        raise _fault("a template such as `${node.results}`, or true or false", value)

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": r"\$\{"}]}


@dataclass(frozen=True)
class SchemaValue(_Checked):
    """A JSON Schema: an object, or true or false."""

    def check(self, value: object) -> Any:
        if isinstance(value, (dict, bool)):
            return value
        raise _fault("a JSON Schema (an object, or true or false)", value)

    def json_schema(self) -> dict[str, Any]:
        return {"type": ["object", "boolean"]}


@dataclass(frozen=True)
class Number(_Checked):
    """A finite number from ``low`` (excluded where ``above``) to ``high``."""

    low: float
    high: float
    above: bool = False
    unit: str = ""

    def check(self, value: Any) -> float:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not math.isfinite(self._bounded(value)) or not self._within(value):
            raise _fault(self._words(), value)
        return float(value)

    @staticmethod
    def _bounded(value: float) -> float:
        """``value``, or infinity for an integer that no float can hold."""
        try:
            return float(value)
        except OverflowError:
            return math.inf

    def _within(self, value: float) -> bool:
        return (value > self.low if self.above else value >= self.low) and value <= self.high

    def _words(self) -> str:
        unit = f" of {self.unit}" if self.unit else ""
        low = f"above {self.low:g} and up to" if self.above else f"from {self.low:g} to"
        return f"a number{unit} {low} {self.high:,.0f}"

    def json_schema(self) -> dict[str, Any]:
        low = "exclusiveMinimum" if self.above else "minimum"
        return {"type": "number", low: self.low, "maximum": self.high}


@dataclass(frozen=True)
class Text(_Checked):
    """Text of a given shape; ``words`` describe the shape."""

    pattern: str
    words: str

    def check(self, value: object) -> str:
        if not isinstance(value, str) or not self._compiled.search(value):
            raise _fault(self.words, value)
        return value

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        # Python's $ also matches before a final line break, JSON Schema's does not.
        return re.compile(self.pattern[:-1] + r"\Z" if self.pattern.endswith("$") else self.pattern)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": self.pattern}


class Paths(_Checked):
    """A path, a pattern of file names, or a list of them."""

    def check(self, value: Any) -> str | list[str]:
        every = value if isinstance(value, list) else [value]
        if not every or not all(isinstance(one, str) and one.strip() for one in every):
            raise _fault("a path, a pattern of file names, or a list of them", value)
        return list(value) if isinstance(value, list) else every[0]

    def json_schema(self) -> dict[str, Any]:
        path = {"type": "string", "pattern": NON_EMPTY}
        return {"anyOf": [path, {"type": "array", "items": path, "minItems": 1}]}


class Query(_Checked):
    """SQL without templates: a value that is written into it might be taken for a part of it."""

    def check(self, value: object) -> str:
        if not isinstance(value, str) or not value.strip() or "${" in value:
            words = "a SELECT without templates: write `:name` and put the value into `parameters`"
            raise _fault(words, value)
        return value

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": NON_EMPTY, "not": {"pattern": r"\$\{"}}


class DifferentNames(_Checked):
    """A list of names without duplicates."""

    def check(self, value: Any) -> list[str]:
        named = isinstance(value, list) and value and all(isinstance(name, str) for name in value)
        if not named or len(set(value)) != len(value):
            raise _fault("a list of names, no two of them the same", value)
        return list(value)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True}


class Targets(_Checked):
    """The targets of an action: a name, several different ones, or null for none."""

    def check(self, value: object) -> str | list[str] | None:
        if value is None or (isinstance(value, str) and value.strip()):
            return value
        try:
            return DifferentNames().check(value)
        except PydanticCustomError:
            raise _fault("the id of a step, a list of different ones, or null", value) from None

    def json_schema(self) -> dict[str, Any]:
        name = {"type": "string", "pattern": r"[^\s]"}
        return {"anyOf": [name, DifferentNames().json_schema(), {"type": "null"}]}


_UNITS = {"K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}
_SIZE = re.compile(r"([0-9]{1,15}) ?([KMGkmg][Ii]?)[Bb]?")


@dataclass(frozen=True)
class Bytes(_Checked):
    """A size in bytes: a whole number, or text with a unit such as ``512MB`` or ``2 GiB``."""

    low: int
    high: int

    def check(self, value: object) -> int:
        size = self._size(value)
        if size is None or not self.low <= size <= self.high:
            words = f"bytes, or text such as `512MB`, from {self.low:,} to {self.high:,}"
            raise _fault(words, value)
        return size

    @staticmethod
    def _size(value: object) -> int | None:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, str):
            match = _SIZE.fullmatch(value)
            unit = _UNITS.get(match[2].upper()) if match else None
            return int(match[1]) * unit if match and unit else None
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def json_schema(self) -> dict[str, Any]:
        number = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return {"anyOf": [number, {"type": "string", "pattern": f"^{_SIZE.pattern}$"}]}


NAME = r"^\w[\w-]*$"

Name = Annotated[str, Text(NAME, "a name of letters, digits, `_` and `-` that does not begin with `-`")]
TemplateText = Annotated[str, Text(r"\$\{", "a template such as `${node.results}`")]
NON_EMPTY = r"[^\s]"
NonEmpty = Annotated[str, Text(NON_EMPTY, "text that is not empty")]
Host = Annotated[
    str,
    Text(
        r"^((\*\.)?[^\s/*@]+|[0-9A-Fa-f.:]+/[0-9]{1,3})$",
        "a host such as `api.example.com` or `*.example.com`, or a network such as `10.0.0.0/8`",
    ),
]
Seconds = Annotated[float, Number(0, MAX_SECONDS, unit="seconds")]
Timeout = Annotated[float, Number(0, MAX_SECONDS, above=True, unit="seconds")]
Factor = Annotated[float, Number(1, 100)]
Attempts = Annotated[int, Whole(1, 10)]
