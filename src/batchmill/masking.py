"""Secrets masked by value: wherever a run shows or writes something, ``***`` stands in their place.

A value is looked for as it is and in the forms it takes on its way: in a URL, in JSON, in Python's
``repr``, in HTML, in hexadecimal, in base64 at any offset within what is encoded, such as
``user:password``. Values shorter than six characters are not looked for: they would be found in every
other word.
"""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any
from urllib.parse import quote, quote_plus

from batchmill.lists import LazyList, MappedList

MASK = "***"
LEAST_CHARACTERS = 6
_LEAST_LINE = 16  # a line of a longer secret, such as a key in PEM, that is masked by itself
_LEAST_BASE64 = 6  # characters of base64 that do not depend on what stands before and after the secret


class Masker:
    """Masks the secrets it was told of. One per run; knowing none it costs a look.

    Concurrency: any thread may call any method. ``_lock`` is held while a secret is added; readers use what
    was made last: ``_secrets``, ``_forms`` and ``_pattern`` are each replaced as a whole.
    """

    def __init__(self, secrets: Iterable[Any] = ()) -> None:
        self._lock = threading.Lock()
        self._secrets: frozenset[str] = frozenset()
        self._forms: tuple[str, ...] = ()
        self._pattern: re.Pattern[str] | None = None
        for secret in secrets:
            self.add(secret)

    @property
    def secrets(self) -> frozenset[str]:
        """The texts it was told of that are long enough to be looked for."""
        return self._secrets

    @property
    def knows_any(self) -> bool:
        """Whether there is anything to mask."""
        return self._pattern is not None

    def add(self, secret: Any) -> None:
        """Mask ``secret`` from now on: text, bytes, a number, or all of these in a list or an object."""
        with self._lock:
            known = self._secrets.union(text for text in _texts(secret) if len(text) >= LEAST_CHARACTERS)
            if known == self._secrets:
                return
            self._secrets = known
            forms = {form for text in self._secrets for form in _forms(text)}
            self._forms = tuple(sorted(forms, key=len, reverse=True))
            self._pattern = re.compile("|".join(map(re.escape, self._forms)))

    def text(self, text: str) -> str:
        """``text`` with every form of every secret masked; where two overlap, what both cover."""
        pattern = self._pattern
        if pattern is None or pattern.search(text) is None:
            return text
        parts, end = [], 0
        for start, stop in _joined(_places(text, self._forms)):
            parts += [text[end:start], MASK]
            end = stop
        return "".join([*parts, text[end:]])

    def value(self, value: Any) -> Any:
        """``value`` with all text in it masked: in lists, tuples, objects (their keys too) and dataclasses.
        What holds nothing to mask is given back as it is."""
        return value if self._pattern is None else self._masked(value)

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._number(value)
        if isinstance(value, (bytes, bytearray)):
            shown = value.decode("utf-8", "surrogateescape")
            hidden = self.text(shown)
            return value if hidden == shown else hidden.encode("utf-8", "surrogateescape")
        if isinstance(value, LazyList):
            return MappedList(value, self._masked)
        if isinstance(value, Mapping):
            return {self._masked(key): self._masked(member) for key, member in value.items()}
        if type(value) in (list, tuple, set, frozenset):
            return type(value)(map(self._masked, value))
        if is_dataclass(value) and not isinstance(value, type):
            return self._dataclass(value)
        return value

    def _number(self, value: float) -> Any:
        return MASK if repr(value) in self._secrets else value

    def _dataclass(self, value: Any) -> Any:
        old = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        new = {name: self._masked(member) for name, member in old.items()}
        changed = {name: member for name, member in new.items() if member is not old[name]}
        return replace(value, **changed) if changed else value


def _texts(secret: Any) -> Iterator[str]:
    """The texts in a secret; of text with several lines each longer line too."""
    if isinstance(secret, str):
        yield secret
        if stripped := secret.strip():
            yield stripped
        lines = [line.strip() for line in secret.splitlines()]
        yield from (line for line in lines if len(line) >= _LEAST_LINE)
    elif isinstance(secret, (bytes, bytearray)):
        yield from _texts(secret.decode("utf-8", "surrogateescape"))
    elif isinstance(secret, bool) or secret is None:
        return
    elif isinstance(secret, (int, float)):
        yield repr(secret)
    elif isinstance(secret, Mapping):
        for member in secret.values():
            yield from _texts(member)
    elif isinstance(secret, (list, tuple, set, frozenset)):
        for member in secret:
            yield from _texts(member)


def _forms(text: str) -> Iterator[str]:
    """What ``text`` looks like in the places where it may turn up."""
    yield text
    raw = text.encode("utf-8", "surrogatepass")
    for safe in ("", "/", "/:?#[]@!$&'()*+,;=~-._"):
        yield from _either_case(quote(raw, safe=safe))
    yield from _either_case(quote_plus(raw))
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield from (escaped, escaped.replace("/", "\\/"), json.dumps(escaped, ensure_ascii=ascii_only)[1:-1])
    yield from (repr(text)[1:-1], ascii(text)[1:-1], repr(raw)[2:-1])
    yield from (html.escape(text), html.escape(text, quote=False))
    yield text.replace("'", "'\"'\"'")  # as shells quote it
    yield from (raw.hex(), raw.hex().upper())
    yield from _in_base64(raw)


def _either_case(encoded: str) -> Iterator[str]:
    yield encoded
    yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), encoded)


def _in_base64(raw: bytes) -> Iterator[str]:
    """The characters that stand for ``raw`` and nothing else, at each of the three offsets it can have."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            encoded = encode(b"\0" * offset + raw).decode("ascii").rstrip("=")
            first = -(-offset * 8 // 6)
            last = (offset + len(raw)) * 8 // 6
            if last - first >= _LEAST_BASE64:
                yield encoded[first:last]


def _places(text: str, forms: Iterable[str]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for form in forms:
        start = text.find(form)
        while start >= 0:
            found.append((start, start + len(form)))
            start = text.find(form, start + 1)
    return sorted(found)


def _joined(places: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Places that overlap as one."""
    start, stop = places[0]
    for next_start, next_stop in places[1:]:
        if next_start >= stop:
            yield start, stop
            start, stop = next_start, next_stop
        else:
            stop = max(stop, next_stop)
    yield start, stop
