"""Settings that are templates of inputs, replaced by their values before any other code reads the document.

One table says which keys may be such settings, for reading and for the JSON Schema. Later code sees ordinary
numbers and words. If an input has no value so far, the setting is left out, as if it were not written, and
checked again once the run's inputs are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from batchmill.errors import TemplateError, TemplateSyntaxError
from batchmill.ir.faults import DocumentPath, Fault, all_of, did_you_mean
from batchmill.ir.models import InputSpec
from batchmill.ir.models.settable import LEFT_OUT, with_values
from batchmill.ir.references import syntax_fault
from batchmill.template import Scope, compile_value


@dataclass(frozen=True, slots=True)
class Settled:
    """``raw`` is the document with the values, ``used`` are the names of the inputs in its settings.

    ``settings`` maps each place to the text of its setting; settings at ``unknown`` places have no value so
    far.
    """

    raw: Any
    faults: tuple[Fault, ...] = ()
    settings: Mapping[DocumentPath, str] = field(default_factory=dict)
    used: frozenset[str] = frozenset()
    unknown: frozenset[DocumentPath] = frozenset()

    def explained(self, fault: Fault) -> Fault | None:
        """A fault, with the template that gave the value; None for a key that is missing only because the
        inputs have no values."""
        if fault in self.faults:
            return fault
        for length in range(len(fault.path), 0, -1) if self.settings else ():
            text = self.settings.get(fault.path[:length])
            if text is not None:
                hint = f"this is what `{text}` gives" + (f"; {fault.hint}" if fault.hint else "")
                return replace(fault, hint=hint, on_key=False)
        if any(path[:-1] == fault.path and path[-2] != "batch" for path in self.unknown):
            return None
        return fault


def settle(raw: dict[object, object], inputs: Mapping[str, object] | None = None) -> Settled:
    """``raw`` with its settings replaced by their values: from ``inputs``, else the defaults of the
    inputs."""
    declared = raw.get("inputs")
    settling = _Settling(declared if isinstance(declared, dict) else {}, inputs)
    out = with_values(raw, settling.value)
    return Settled(
        out,
        tuple(settling.faults),
        settling.settings,
        frozenset(settling.used),
        frozenset(settling.unknown),
    )


class _Settling:
    """One pass over a document."""

    def __init__(self, declared: Mapping[object, object], inputs: Mapping[str, object] | None) -> None:
        self.faults: list[Fault] = []
        self.settings: dict[DocumentPath, str] = {}
        self.used: set[str] = set()
        self.unknown: set[DocumentPath] = set()
        self._inputs = inputs
        self._declared = declared

    def value(self, text: str, path: DocumentPath) -> Any:
        """The value of a setting."""
        self.settings[path] = text
        try:
            compiled = compile_value(text)
        except TemplateSyntaxError as error:
            self.faults.append(syntax_fault(path, error))
            return LEFT_OUT
        names = {one.root for one in compiled.references}
        self.used |= names
        wrong = [fault for name in sorted(names) if (fault := self._name_fault(name, path)) is not None]
        self.faults += wrong
        values = {} if wrong else {name: value for name in names for value in self._values_of(name)}
        if wrong or len(values) < len(names):
            self.unknown.add(path)
            return LEFT_OUT
        try:
            made = compiled.resolve(Scope(values))
        except TemplateError as error:
            self.faults.append(Fault(path, f"`{text}` has no value: {error}"))
            return LEFT_OUT
        return LEFT_OUT if made is None else made

    def _name_fault(self, name: str, path: DocumentPath) -> Fault | None:
        if name not in self._declared:
            hint = did_you_mean(name, map(str, self._declared))
            hint = hint or (f"there are {all_of(map(str, self._declared))}" if self._declared else "")
            message = f"a setting is known before anything runs, and `{name}` is no input"
            return Fault(path, message, hint or "declare it in `inputs`")
        spec = self._declared[name]
        if isinstance(spec, dict) and spec.get("secret") is True:
            return Fault(
                path, f"the input `{name}` is secret, and settings are shown", "write the setting here"
            )
        return None

    def _values_of(self, name: str) -> list[object]:
        """The value of an input, in a list; an empty list if it is unknown so far."""
        if self._inputs is not None:
            return [self._inputs[name]] if name in self._inputs else []
        try:
            spec = InputSpec.model_validate(self._declared[name])
        except ValidationError:  # told where the input stands
            return []
        return [] if spec.must_be_given else [spec.default]
