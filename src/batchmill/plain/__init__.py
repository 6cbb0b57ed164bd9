"""One JSON: any value as plain data and as text, and the one strict reader of such text."""

from batchmill.plain.numbers import LostDigits, exact_float, exact_number
from batchmill.plain.places import JsonPath, path_text
from batchmill.plain.reader import NotJson, container_in, from_json
from batchmill.plain.values import MAX_DEPTH, MAX_DIGITS, NotPlain, is_true, noted, plain, shown
from batchmill.plain.writer import is_exact, to_json

__all__ = [
    "MAX_DEPTH",
    "MAX_DIGITS",
    "JsonPath",
    "LostDigits",
    "NotJson",
    "NotPlain",
    "container_in",
    "exact_float",
    "exact_number",
    "from_json",
    "is_exact",
    "is_true",
    "noted",
    "path_text",
    "plain",
    "shown",
    "to_json",
]
