"""Errors in what was given: documents, settings, templates, types of nodes, extras that are missing."""

from __future__ import annotations

from dataclasses import dataclass

from batchmill.errors.base import BatchmillError
from batchmill.warned import Warned


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document: what, where and how to fix it.

    ``line`` and ``column`` count from 1 and are 0 where the place in the text is not known. ``source``
    is the file of a sub-workflow that the problem is in, empty for the document itself.
    """

    path: str
    message: str
    hint: str = ""
    line: int = 0
    column: int = 0
    source: str = ""

    @property
    def place(self) -> str:
        """File, path, line and column, as far as they are known; ``$`` is called the document."""
        path = "the document" if self.path == "$" else self.path
        path = f"{self.source}: {path}" if self.source else path
        return f"{path} (line {self.line}, column {self.column})" if self.line else path

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" + (f"; {self.hint}" if self.hint else "")


class InvalidDocument(BatchmillError):
    """Raised when a document cannot be run as it stands; carries every problem found, in text order, and
    what is hardly meant besides."""

    def __init__(
        self, problems: tuple[Problem, ...], source: str = "document", warnings: tuple[Warned, ...] = ()
    ) -> None:
        super().__init__(problems, source, warnings)
        self.problems = problems
        self.source = source
        self.warnings = warnings

    def __str__(self) -> str:
        head = f"{self.source}: {len(self.problems)} problem{'s' if len(self.problems) != 1 else ''}"
        return "\n".join([head, *(f"  {problem}" for problem in self.problems)])


class InvalidSetting(BatchmillError, ValueError):
    """Raised when an argument of the Python face or an option of a run is out of its range."""


class UnknownSetting(InvalidSetting, TypeError):
    """Raised when a keyword argument names no setting; says which one was probably meant."""


class MissingExtra(BatchmillError, ImportError):
    """Raised when a feature needs an optional dependency; names the extra that brings it."""

    retryable = False

    def __init__(self, extra: str, feature: str) -> None:
        super().__init__(extra, feature)
        self.extra = extra
        self.feature = feature

    def __str__(self) -> str:
        return f"{self.feature} needs the extra {self.extra!r}: pip install 'batchmill[{self.extra}]'"


class TemplateError(BatchmillError):
    """Base of what can be wrong with a template; the same values give the same error, so retrying is
    pointless."""

    retryable = False


class TemplateSyntaxError(TemplateError):
    """Raised when a template cannot be read; ``position`` is the 0-based offset into ``text``."""

    def __init__(self, message: str, text: str = "", position: int = 0) -> None:
        super().__init__(message, text, position)
        self.message = message
        self.text = text
        self.position = position

    def __str__(self) -> str:
        around = self.text[max(0, self.position - 20) : self.position + 20]
        return f"{self.message} at character {self.position + 1}" + (f", near {around!r}" if around else "")


class UnresolvedReference(TemplateError):
    """Raised when a reference names something that is not there."""

    def __init__(self, reference: str, reason: str) -> None:
        super().__init__(reference, reason)
        self.reference = reference
        self.reason = reason

    def __str__(self) -> str:
        return f"${{{self.reference}}} cannot be resolved: {self.reason}"


class ConditionError(TemplateError):
    """Raised when a condition compares what cannot be compared."""


class KeyCollision(TemplateError):
    """Raised when two keys of one object become the same once their templates are resolved; ``place`` is the
    object's, empty where it is a param as a whole."""

    def __init__(self, key: str, first: str, second: str, place: str = "") -> None:
        super().__init__(key, first, second, place)
        self.key = key
        self.first = first
        self.second = second
        self.place = place

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}the keys {self.first!r} and {self.second!r} both become {self.key!r}"


class FilterError(TemplateError):
    """Raised when a template filter is given a value it cannot work on."""


class UnsafeValue(TemplateError):
    """Raised when a value cannot be given to a shell command without changing it, such as one with NUL."""


class UnknownNodeType(BatchmillError):
    """Raised when no node type has this name; ``suggestions`` are names that come close."""

    def __init__(self, name: str, suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(name, suggestions)
        self.name = name
        self.suggestions = suggestions

    def __str__(self) -> str:
        close = " or ".join(repr(one) for one in self.suggestions)
        hint = f"; did you mean {close}?" if close else "; `batchmill nodes` lists all"
        return f"there is no node type {self.name!r}{hint}"


class BrokenNodeType(BatchmillError):
    """Raised when a node type is known by name and cannot be loaded; ``reason`` says why and from where."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"node type {self.name!r} cannot be loaded: {self.reason}"
