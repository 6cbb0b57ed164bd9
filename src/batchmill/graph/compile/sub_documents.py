"""The sub-workflows of a document: found, read and checked along with it, each file once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from batchmill.errors import InvalidDocument, Problem, StorageError
from batchmill.graph.compile.plan import Plan
from batchmill.graph.compile.sub_plan import SubPlan
from batchmill.ir.faults import DocumentPath, Doubt, Fault, all_of, did_you_mean
from batchmill.ir.inputs import input_values
from batchmill.ir.loading import Draft, load
from batchmill.ir.outline import Outline
from batchmill.ir.parts import NodePart
from batchmill.warned import Warned

DOCUMENT_PARAM = "workflow"
INPUTS_PARAM = "inputs"
_SUFFIXES = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Examined:
    """The result of checking a document: its plan, None if it has faults, and its warnings."""

    plan: Plan | None
    faults: tuple[Fault, ...]
    doubts: tuple[Doubt, ...] = ()


Examine = Callable[[Draft, SubPlan], Examined]


class NamedDocument(NamedTuple):
    """The sub-workflow that a node names, None if unknown, with the problems and warnings at the node's
    place."""

    sub: SubPlan | None = None
    faults: tuple[Fault, ...] = ()
    doubts: tuple[Doubt, ...] = ()


@dataclass(slots=True)
class SubDocuments:
    """``problems`` and ``warnings`` are those found in files of their own. Used by one thread while
    documents are checked."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)
    _files: dict[Path, SubPlan] = field(default_factory=dict)

    def begin(self, draft: Draft) -> SubPlan:
        """The document itself, which its own nodes may name."""
        whole = SubPlan(draft.source)
        if draft.is_file:
            self._files[Path(draft.source).resolve()] = whole
        return whole

    def of(self, node: NodePart, draft: Draft, examine: Examine) -> NamedDocument:
        """The sub-workflow of a ``workflow`` node and the faults in how the node names it. Faults of an
        inline document are among these, those of a file in :attr:`problems`."""
        written = node.params.get(DOCUMENT_PARAM)
        path = (*node.path, "params", DOCUMENT_PARAM)
        if isinstance(written, dict):
            return _inline(written, node, draft, examine)
        if not isinstance(written, str) or "${" in written:  # reported with the node's other params
            return NamedDocument()
        try:
            file = draft.folder / Path(written).expanduser()
            whole, is_file = file.resolve(), file.is_file()
        except (OSError, ValueError, RuntimeError) as error:  # NUL, a user or loop of links nobody knows, ...
            return NamedDocument(faults=(Fault(path, f"leads nowhere: {error}"),))
        return self._file(file, whole, is_file, path, examine)

    def _file(
        self, file: Path, whole: Path, is_file: bool, path: DocumentPath, examine: Examine
    ) -> NamedDocument:
        known = self._files.get(whole)
        if known is not None:
            return NamedDocument(known)
        if not is_file:
            what = "there is a folder, not a file, at" if file.is_dir() else "there is no file"
            return NamedDocument(faults=(Fault(path, f"{what} {file}", _near(file)),))
        try:
            draft = load(file)
        except InvalidDocument as error:  # it cannot be read as JSON or YAML at all
            self.problems += [replace(problem, source=error.source) for problem in error.problems]
            self._files[whole] = SubPlan(str(file))
            return NamedDocument()
        except StorageError as error:
            return NamedDocument(faults=(Fault(path, str(error)),))
        return NamedDocument(self._examined(draft, whole, examine))

    def _examined(self, draft: Draft, whole: Path, examine: Examine) -> SubPlan:
        sub = self._files[whole] = SubPlan(draft.source, is_file=True)
        found = examine(draft, sub)
        self.problems += [replace(one, source=draft.source) for one in draft.problems(found.faults)]
        self.warnings += [replace(one, source=draft.source) for one in draft.warnings(found.doubts)]
        return sub


def _inline(written: dict[str, object], node: NodePart, draft: Draft, examine: Examine) -> NamedDocument:
    sub = SubPlan(f"the workflow in node {node.id}")
    path = (*node.path, "params", DOCUMENT_PARAM)
    depth = len(path)
    odd = [one._replace(path=one.path[depth:]) for one in draft.odd_numbers if one.path[:depth] == path]
    found = examine(replace(draft, raw=written, faults=(), odd_numbers=tuple(odd)), sub)
    doubts = tuple(Doubt(one.code, _within(path, one.fault)) for one in found.doubts)
    return NamedDocument(sub, tuple(_within(path, fault) for fault in found.faults), doubts)


def _within(path: DocumentPath, fault: Fault) -> Fault:
    return replace(fault, path=(*path, *fault.path))


def _near(file: Path) -> str:
    try:
        beside = [one.name for one in file.parent.iterdir() if one.suffix in _SUFFIXES]
    except OSError:  # the folder is not there either
        return "paths begin at the folder of the document that names them"
    return did_you_mean(file.name, beside) or "paths begin at the folder of the document that names them"


def note_interface(sub: SubPlan, outline: Outline) -> None:
    """Set what is known of a sub-workflow before its nodes are looked at."""
    sub.inputs = outline.inputs
    sub.outputs = tuple(outline.outputs) or None


def input_faults(node: NodePart, sub: SubPlan) -> Iterator[Fault]:
    """Faults of the inputs that a node gives. Values with templates are known only in a run."""
    given = node.params.get(INPUTS_PARAM)
    if sub.inputs is None or not (given is None or isinstance(given, dict)):
        return
    given = {name: value for name, value in (given or {}).items() if "${" not in name}
    named_later = len(given) < len(node.params.get(INPUTS_PARAM) or ())  # their keys hold templates
    specs = {name: spec for name, spec in sub.inputs.items() if spec is not None}
    literal = {name: value for name, value in given.items() if name not in sub.inputs or not _is_open(value)}
    inside = (*node.path, "params", INPUTS_PARAM)
    around = inside if INPUTS_PARAM in node.params else (*node.path, "params")
    for fault in input_values(specs, literal, way="`inputs.{}`")[1]:
        name = str(fault.path[1])
        if name in literal or (name not in given and not named_later):
            path = (*inside, name) if name in given else around
            if name in specs or name not in sub.inputs:
                yield replace(fault, path=path, on_key=name not in sub.inputs)
    yield from _carry_faults(node, sub.inputs)


def _is_open(value: object) -> bool:
    """Whether a value holds templates."""
    if isinstance(value, str):
        return "${" in value
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(_is_open, members))


def _carry_faults(node: NodePart, inputs: Mapping[str, object]) -> Iterator[Fault]:
    if node.spec is None or node.spec.loop is None or not isinstance(node.params.get(INPUTS_PARAM), dict):
        return
    for name in node.spec.loop.carry:
        if name not in inputs:
            hint = did_you_mean(name, inputs) or (f"there are {all_of(inputs)}" if inputs else "")
            path = (*node.path, "loop", "carry", name)
            yield Fault(path, f"`{name}` is not an input of the sub-workflow", hint, on_key=True)
