"""Scopes: the meaning of names in the templates of one item."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from batchmill.lists import ByReference, LazyList
from batchmill.template.text import opened

_REMEMBERED = 64  # texts whose JSON is kept; more than one node's templates walk into

_NOTHING: Mapping[str, Any] = {}


class ParsedTexts:
    """The JSON of texts that paths walked into, so each is parsed once.

    Concurrency: scopes of many threads share one through their common parent; ``_lock`` guards ``_parsed``.
    Parsing happens outside of it, so two threads may parse the same text; one of the two results is kept.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parsed: dict[str, object] = {}

    def parse(self, text: str) -> object:
        """The object or list in ``text``, or ``None``; the same object every time, not to be changed."""
        with self._lock:
            if text in self._parsed:
                return self._parsed[text]
        value = opened(text)
        with self._lock:
            if len(self._parsed) >= _REMEMBERED:
                self._parsed.clear()
            return self._parsed.setdefault(text, value)

    def __reduce__(self) -> tuple[object, ...]:
        return ParsedTexts, ()


class Scope:
    """The names that one item's templates can use.

    ``values`` maps names to values. ``failed`` maps the id of a failed node to the names of its outputs that
    still count as present; a ``??`` chain skips its other outputs. ``absent`` maps the id of a node without
    outputs to the reason, in words. ``foreign`` are the names of values that come neither from the document
    nor from the inputs of the run: items, outputs of nodes. In a ``permissive`` scope an expression that does
    not resolve stays as its text, which is added to ``unresolved``. In a ``lazy`` scope, ``[*]`` over a lazy
    list may give a lazy list. Params of a node need real lists, because any code may use them.

    Concurrency: a scope belongs to one item and one thread. Its parent is only read, so children of one
    parent may live on different threads.
    """

    __slots__ = (
        "_base", "_extra", "_own_texts", "_texts", "absent", "failed", "foreign", "lazy", "permissive",
        "unresolved",
    )  # fmt: skip

    def __init__(
        self,
        values: Mapping[str, object],
        *,
        failed: Mapping[str, frozenset[str]] = _NOTHING,
        permissive: bool = False,
        lazy: bool = False,
        absent: Mapping[str, str] = _NOTHING,
        foreign: frozenset[str] = frozenset(),
    ) -> None:
        self.foreign = foreign
        self.absent = absent
        self._base = values
        self._extra = _NOTHING
        self._texts = ParsedTexts()
        self._own_texts: ParsedTexts | None = None
        self.failed = failed
        self.permissive = permissive
        self.lazy = lazy
        self.unresolved: list[str] = []

    def child(self, extra: Mapping[str, object]) -> Scope:
        """A scope with the names of ``extra`` on top; the names below are not copied."""
        child = Scope.__new__(Scope)
        child._base = self._base
        child._extra = {**self._extra, **extra} if self._extra else extra
        child._texts = self._texts
        child._own_texts = None
        child.failed = self.failed
        child.absent = self.absent
        child.foreign = self.foreign
        child.permissive = self.permissive
        child.lazy = self.lazy
        child.unresolved = []
        return child

    def for_worker(self) -> Scope:
        """The same scope, to be pickled for a process of this machine and not used otherwise. That process
        reads the lazy lists among a node's outputs where they are, as long as this process keeps them."""
        base = {name: _shared(value) for name, value in self._base.items()}
        if all(base[name] is value for name, value in self._base.items()):
            return self
        return self._on(base, self.foreign)

    def with_foreign(self, name: str) -> Scope:
        """The same scope with one more foreign name."""
        return self._on(self._base, self.foreign | {name})

    def _on(self, base: Mapping[str, object], foreign: frozenset[str]) -> Scope:
        kept: dict[str, Any] = {"permissive": self.permissive, "lazy": self.lazy, "absent": self.absent}
        return Scope(base, failed=self.failed, foreign=foreign, **kept)

    def __getitem__(self, name: str) -> object:
        """The value of ``name``. Raises :class:`KeyError`."""
        extra = self._extra
        return extra[name] if name in extra else self._base[name]

    def __contains__(self, name: object) -> bool:
        return name in self._extra or name in self._base

    def __iter__(self) -> Iterator[str]:
        """Every name once, the ones on top first."""
        yield from self._extra
        yield from (name for name in self._base if name not in self._extra)

    def passed_over(self, root: str, key: object) -> bool:
        """Whether ``key`` of ``root`` counts as missing in a ``??`` chain because ``root`` failed."""
        return root in self.failed and root not in self._extra and key not in self.failed[root]

    def parse(self, text: str, root: str) -> object:
        """The JSON object or list that ``text``, found below ``root``, holds; else ``None``.

        Values of an item are remembered for that item only, common values for all items.
        """
        if root not in self._extra:
            return self._texts.parse(text)
        if self._own_texts is None:
            self._own_texts = ParsedTexts()
        return self._own_texts.parse(text)


def _shared(value: object) -> Any:
    """The outputs of a node in the form in which they are pickled; any other value unchanged."""
    if not isinstance(value, dict):
        return value
    lazy = {key: ByReference(one) for key, one in value.items() if isinstance(one, LazyList)}
    return {**value, **lazy} if lazy else value
