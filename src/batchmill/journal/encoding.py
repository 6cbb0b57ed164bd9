"""Convert values to JSON text, and check that the text returns the same value.

The encoder is made once: :func:`json.dumps` makes a new one for every call, which costs more than encoding a
small object. Text is ASCII, so that every string, with unpaired surrogates, comes back as it was.
"""

from __future__ import annotations

import json
import json.encoder
from collections.abc import Callable, Sequence
from typing import Any

from batchmill.values import all_plain, is_exact, shown

NOT_JSON = (TypeError, ValueError, RecursionError)
"""Exceptions of :func:`encode` for a value that JSON does not hold: an object, NaN, one that
contains itself."""


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is not JSON")


def _encoder() -> Callable[[Any], str]:
    """The interpreter's own encoder in C, where it has one."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_refuse).encode
    quote = json.encoder.encode_basestring_ascii
    chunks = make(None, _refuse, quote, None, ":", ",", False, False, False)

    def encode(value: object) -> str:
        made = chunks(value, 0)
        return made[0] if len(made) == 1 else "".join(made)

    return encode


encode = _encoder()
"""The JSON text of a value. Raises one of :data:`NOT_JSON`."""


def encode_shown(value: object) -> str:
    """The JSON text of a value; if JSON does not hold it, that of its displayed form."""
    try:
        return encode(value)
    except NOT_JSON:
        return encode(shown(value))


_BETWEEN = "~"
_SEPARATOR = f",{encode(_BETWEEN)},"


def encode_all(values: Sequence[object]) -> list[str]:
    """The result of :func:`encode` for each of ``values``, in one call: for small values the call is most of
    the cost.

    They are encoded as one list, with a mark between them at which the text is split again: quotation marks
    in texts are escaped, so only a value that is a list can contain the same mark. Raises like
    :func:`encode`.
    """
    if not values:
        return []
    marked: list[object] = [_BETWEEN] * (2 * len(values) - 1)
    marked[::2] = values
    texts = encode(marked)[1:-1].split(_SEPARATOR)
    return texts if len(texts) == len(values) else [encode(value) for value in values]


_decoded = json.JSONDecoder().raw_decode


def decode(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, or TypeError if it is not text."""
    value, end = _decoded(text)
    return value if end == len(text) else json.loads(text)  # which says what is wrong behind it


def decode_all(texts: Sequence[str]) -> list[Any]:
    """The result of :func:`decode` for each of ``texts``, in one call; the marks between them verify that
    each text holds one value. Raises ValueError if one does not."""
    marked = decode("[" + _SEPARATOR.join(texts) + "]")
    if len(marked) != max(0, 2 * len(texts) - 1) or any(one != _BETWEEN for one in marked[1::2]):
        raise ValueError("not a value in each text")
    found: list[Any] = marked[::2]
    return found


def are_exact(values: Sequence[object]) -> list[bool]:
    """:func:`~batchmill.values.is_exact` of each of ``values``; quick where all are plain data, as outputs
    are."""
    return [True] * len(values) if all_plain(values) else list(map(is_exact, values))
