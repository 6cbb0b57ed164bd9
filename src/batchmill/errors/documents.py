"""Errors in the input: documents, settings, templates, node types, missing extras."""

from __future__ import annotations

from dataclasses import dataclass

from batchmill.errors.base import BatchmillError
from batchmill.warned import Warned


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a document: what, where and how to fix it.

    ``path`` is the place in the document, ``hint`` the fix. ``line`` and ``column`` count from 1 and are 0 if
    unknown. ``source`` is the file of the sub-workflow that has the fault, empty for the document itself.
    """

    path: str
    message: str
    hint: str = ""
    line: int = 0
    column: int = 0
    source: str = ""

    @property
    def place(self) -> str:
        """File, path, line and column, as far as known; the path ``$`` is shown as "the document"."""
        path = "the document" if self.path == "$" else self.path
        path = f"{self.source}: {path}" if self.source else path
        return f"{path} (line {self.line}, column {self.column})" if self.line else path

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" + (f"; {self.hint}" if self.hint else "")


class InvalidDocument(BatchmillError):
    """Raised when a document cannot run as it stands; ``problems`` has every fault, in text order, and
    ``warnings`` the likely mistakes."""

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
    """Raised when an argument of a Python function or an option of a run is out of range."""


class UnknownSetting(InvalidSetting, TypeError):
    """Raised when a keyword argument is no setting; suggests the name that was probably meant."""


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
    """Base of all faults of templates. The same values give the same error, so it is not retried."""

    retryable = False


class TemplateSyntaxError(TemplateError):
    """Raised when a template cannot be parsed; ``position`` is the 0-based offset into ``text``."""

    def __init__(self, message: str, text: str = "", position: int = 0) -> None:
        super().__init__(message, text, position)
        self.message = message
        self.text = text
        self.position = position

    def __str__(self) -> str:
        around = self.text[max(0, self.position - 20) : self.position + 20]
        fault, separator, remedy = self.message.partition("; ")
        near = f", near {around!r}" if around else ""
        return f"{fault} at character {self.position + 1}{near}{separator}{remedy}"


class UnresolvedReference(TemplateError):
    """Raised when a template refers to something that does not exist; ``reason`` says why."""

    def __init__(self, reference: str, reason: str) -> None:
        super().__init__(reference, reason)
        self.reference = reference
        self.reason = reason

    def __str__(self) -> str:
        return f"${{{self.reference}}} cannot be resolved: {self.reason}"


class ConditionError(TemplateError):
    """Raised when a condition compares values of types that cannot be compared."""


class KeyCollision(TemplateError):
    """Raised when two keys of one object become equal once their templates are resolved; ``place`` is the
    place of the object, empty if it is a whole param."""

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
    """Raised when a template filter does not support the value it is given."""


class UnsafeValue(TemplateError):
    """Raised when a value, such as one with NUL, cannot be passed to a shell command unchanged."""


class UnknownNodeType(BatchmillError):
    """Raised when no node type has this name; ``suggestions`` are similar names."""

    def __init__(self, name: str, suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(name, suggestions)
        self.name = name
        self.suggestions = suggestions

    def __str__(self) -> str:
        close = " or ".join(repr(one) for one in self.suggestions)
        hint = f"; did you mean {close}?" if close else "; `batchmill nodes` lists all"
        return f"there is no node type {self.name!r}{hint}"


class BrokenNodeType(BatchmillError):
    """Raised when a known node type cannot be loaded; ``reason`` says why and from where."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"node type {self.name!r} cannot be loaded: {self.reason}"
