"""URLs with templates, made so that a value stays within its place.

``https://${host}/items/${id}?q=${word}``: a value in the path, the query or the fragment is percent-encoded
as one component, so a ``/``, ``?`` or ``&`` in it is data. The text before a value, including earlier values,
decides its place:

========================  ====================================================================
place                     what a value may be
========================  ====================================================================
the very beginning        a whole URL or the beginning of one; it is taken as it is
the host                  a host or a port. A value that is the whole host may have a path behind
                          it, and behind a whole host a value may be a path or query that begins
                          with ``/``, ``?`` or ``#``; both keep their structure
before an ``@``           a user or password; encoded
path, query, fragment     anything; encoded
========================  ====================================================================

``| url`` at the end of an expression says that the value is already encoded, ``| raw`` pastes it. A pasted
value has no blanks or control characters. No value makes a path segment ``.`` or ``..``, which would lead to
a path other than the one written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal
from urllib.parse import quote

from batchmill.errors import UnresolvedReference, UnsafeValue
from batchmill.template.parse import parse
from batchmill.template.parts import Expression, Path, Template
from batchmill.template.resolve import all_missing, resolve_expression
from batchmill.template.scope import Scope
from batchmill.template.text import check_length, to_text

Place = Literal["start", "host", "path", "query", "fragment"]

_HOST = re.compile(r"[\w.~%:\[\]-]*")
_PORT = re.compile(r"(:[0-9]*)?", re.ASCII)
_REFERENCE = ("/", "?", "#")  # what begins behind a host
_KEPT = "/?#&=+,;:@!$'()*%[]"  # what stays as it is in such a value
_BLANK_OR_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_SEGMENT = re.compile(r"[^/]+")
_END_OF_PATH = re.compile(r"[?#]")
_END_OF_HOST = re.compile(r"[/?#]")


def place_at_end(text: str) -> Place:
    """The place in a URL of the character after ``text``, its beginning."""
    if not text:
        return "start"
    _, scheme, rest = text.partition("://")
    if "#" in rest or (not scheme and "#" in text):
        return "fragment"
    if "?" in rest or (not scheme and "?" in text):
        return "query"
    return "path" if "/" in rest or not scheme else "host"


class ForeignUrl(str):
    """A URL whose host came from data: an item or the output of a node. The author of the document, and the
    person who gave the run its inputs, may never have seen it."""

    __slots__ = ()


def carried_url(written: object, value: object) -> object:
    """A later form of the URL ``written``: the next page of the same server, or of one that data names."""
    if not isinstance(value, str) or (type(written) is str and _authority(written) == _authority(value)):
        return value
    return ForeignUrl(value)


def _authority(url: str) -> str:
    return _END_OF_HOST.split(url.partition("://")[2], 1)[0].lower()


class UrlTemplate:
    """A URL with templates in it, read once. Immutable; copies are the object itself."""

    __slots__ = ("_hosted", "_template", "source")

    def __init__(self, source: str, template: Template) -> None:
        self.source = source
        self._template = template
        begin = template.parts[0] if template.parts else ""
        self._hosted = isinstance(begin, str) and place_at_end(begin) not in ("start", "host")

    @property
    def references(self) -> tuple[Path, ...]:
        """Every path in it, those nested as an index included, as written."""
        return self._template.references

    def resolve(self, scope: Scope) -> str:
        """The URL for one item; a :class:`ForeignUrl` where data has a part in its host.

        Raises :class:`~batchmill.errors.TemplateError`: :class:`~batchmill.errors.UnsafeValue` for a
        value that would reach beyond its place.
        """
        parts = self._template.parts
        if self._hosted and not scope.permissive and (plain := self._plain(scope)) is not None:
            return plain
        made, foreign = _Making(), False
        for index, part in enumerate(parts):
            if isinstance(part, str):
                made.text += part
            else:
                reached = made.reached
                made.add(part, self._value(part, scope), parts[index + 1 :])
                foreign = foreign or (made.reached > reached and _is_foreign(part, scope))
        made.check_segments()
        return ForeignUrl(made.text) if foreign else made.text

    def _plain(self, scope: Scope) -> str | None:
        """The URL if all values are letters and digits, as most are: behind the host there is nothing to
        encode or to refuse then. None for others."""
        made = ""
        for part in self._template.parts:
            if not isinstance(part, str):
                part = to_text(self._value(part, scope))
                if not (part.isascii() and part.isalnum()):
                    return None
            made += part
        check_length(len(made))
        return made

    def _value(self, expression: Expression, scope: Scope) -> object:
        try:
            return resolve_expression(expression, scope)
        except UnresolvedReference:
            raise all_missing(self._template.expressions, scope) from None

    def __copy__(self) -> UrlTemplate:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> UrlTemplate:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return compile_url, (self.source,)


def compile_url(source: str) -> UrlTemplate:
    """Read a URL. Raises :class:`~batchmill.errors.TemplateSyntaxError`."""
    return UrlTemplate(source, parse(source))


def _is_foreign(expression: Expression, scope: Scope) -> bool:
    return not scope.foreign.isdisjoint(path.root for path in expression.references)


class _Making:
    """A URL on its way: the text so far, and which stretches of it are values of path components. ``reached``
    counts the values that had a part in the host."""

    def __init__(self) -> None:
        self.text = ""
        self.reached = 0
        self._glued = 0  # where a value at the beginning ends
        self._values: list[tuple[int, int, Expression]] = []

    def add(self, expression: Expression, value: object, following: Sequence[str | Expression]) -> None:
        """Put a value at the end of the text."""
        text = to_text(value)
        place = place_at_end(self.text)
        start = len(self.text)
        last = expression.filters[-1].name if expression.filters else ""
        if place == "start" or last in ("raw", "url"):
            self.text += _pasted(expression, text)
            self.reached += place in ("start", "host")
            self._glued = len(self.text) if place == "start" else self._glued
        elif place == "host":
            self.text += self._in_host(expression, text, following)
        else:
            self.text += _component(expression, text)
        check_length(len(self.text))
        if place == "path" and last != "raw":
            self._values.append((start, len(self.text), expression))

    def _in_host(self, expression: Expression, text: str, following: Sequence[str | Expression]) -> str:
        if _before_at_sign(following):
            return _component(expression, text)
        end = _END_OF_HOST.search(text)
        host, rest = (text[: end.start()], text[end.start() :]) if end else (text, "")
        # With a host in front of it or behind it, a value with a path would cut that off, and what follows
        # a whole URL without anything in between is no part of its host.
        fits = _PORT.fullmatch(host) if self._glued == len(self.text) else _HOST.fullmatch(host)
        if fits and (not rest or not host or self._is_whole_host(following)):
            self.reached += bool(host)
            return host + quote(rest, safe=_KEPT, errors="surrogateescape")
        raise UnsafeValue(
            f"the value of {expression.text} stands where the host of a URL does and is no host or port; "
            "for a whole URL begin the text with the template"
        )

    def _is_whole_host(self, following: Sequence[str | Expression]) -> bool:
        behind = following[0] if following else "/"
        return self.text.endswith("://") and isinstance(behind, str) and behind.startswith(_REFERENCE)

    def check_segments(self) -> None:
        """Refuse a path segment ``.`` or ``..`` that a value has a part in."""
        if not self._values:
            return
        _, scheme, rest = self.text.partition("://")
        start = len(self.text) - len(rest) if scheme else 0
        found = _END_OF_PATH.search(self.text, start)
        end = found.start() if found else len(self.text)
        for segment in _SEGMENT.finditer(self.text, start, end):
            if segment.group() not in (".", ".."):
                continue
            for first, last, expression in self._values:
                if first < segment.end() and last > segment.start():
                    raise UnsafeValue(
                        f"the value of {expression.text} makes the path segment {segment.group()!r}, "
                        "which leads to another path than the one that is written"
                    )


def _pasted(expression: Expression, text: str) -> str:
    found = _BLANK_OR_CONTROL.search(text)
    if found is None:
        return text
    raise UnsafeValue(
        f"the value of {expression.text} is pasted into a URL as it is and holds {found.group()!r} "
        f"at character {found.start() + 1}; in a URL that is written percent-encoded"
    )


def _before_at_sign(following: Sequence[str | Expression]) -> bool:
    """Whether an ``@`` follows before the host's part of the URL ends."""
    for part in following:
        if isinstance(part, str):
            end = _END_OF_HOST.search(part)
            if "@" in part[: end.start() if end else len(part)]:
                return True
            if end:
                return False
    return False


def _component(expression: Expression, text: str) -> str:
    try:
        return quote(text, safe="", errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise UnsafeValue(f"the value of {expression.text} holds half of a surrogate pair") from error
