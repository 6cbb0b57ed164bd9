"""One JSON: any value as plain data and as text, and the one strict reader of such text."""

from typing import TYPE_CHECKING

from batchmill.lazy_names import lazily

if TYPE_CHECKING:
    from batchmill.values.columns import all_plain, copied
    from batchmill.values.numbers import LostDigits, exact_float, exact_number
    from batchmill.values.places import JsonPath, path_text
    from batchmill.values.plain_data import MAX_DEPTH, MAX_DIGITS, NotPlain, is_true, noted, plain, shown
    from batchmill.values.reader import NotJson, container_in, from_json
    from batchmill.values.writer import is_exact, to_json

__all__ = [
    "MAX_DEPTH",
    "MAX_DIGITS",
    "JsonPath",
    "LostDigits",
    "NotJson",
    "NotPlain",
    "all_plain",
    "container_in",
    "copied",
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

__getattr__ = lazily(
    __name__,
    {
        "columns": (
            "all_plain",
            "copied",
        ),
        "numbers": (
            "LostDigits",
            "exact_float",
            "exact_number",
        ),
        "places": (
            "JsonPath",
            "path_text",
        ),
        "plain_data": (
            "MAX_DEPTH",
            "MAX_DIGITS",
            "NotPlain",
            "is_true",
            "noted",
            "plain",
            "shown",
        ),
        "reader": (
            "NotJson",
            "container_in",
            "from_json",
        ),
        "writer": (
            "is_exact",
            "to_json",
        ),
    },
)
