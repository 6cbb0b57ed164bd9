"""A run to resume: its document, inputs and settings in their present state, and what its caller changes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from batchmill.errors import BatchmillError, InvalidDocument, InvalidSetting
from batchmill.file_table import OwnFile, described
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.compile.plan import Plan
from batchmill.graph.frame import NodeFrame, RunServices
from batchmill.graph.part import Part
from batchmill.graph.sub_workflow import SubWorkflowRun
from batchmill.graph.visits.batch_items import all_items
from batchmill.ir.loading import load
from batchmill.items.byte_streams import standard_input_is_empty
from batchmill.journal.contract import FLOW, MAP, RunRecord
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader
from batchmill.runs.journaled import RunRequest
from batchmill.runs.run import ordered
from batchmill.runs.settings import ALL, RunSettings
from batchmill.runs.stdin import nodes_on_stdin
from batchmill.step import Namespace
from batchmill.values.words import count
from batchmill.warned import Warned

STDIN_NOT_READ = (
    "did not read standard input: a finished run keeps what it read then; begin a new run for other input"
)


@dataclass(frozen=True, slots=True)
class Changes:
    """What the caller of a further pass changes: the arguments of :func:`batchmill.resume` of the same names.
    What is None is as in the run."""

    params: Mapping[str, object] | None = None
    text_params: Mapping[str, str] | None = None
    failed_only: bool = False
    executor: str | None = None
    jobs: int | None = None
    limit: int | Literal["all"] | None = None
    cluster: str | Mapping[str, object] | None = None
    own_files: Mapping[str, str | OwnFile] | None = None
    remembered: Mapping[str, object] | None = None
    warnings: Iterable[Warned] = ()
    only: str | None = None
    from_: str | None = None
    until: str | None = None
    whole: bool = False

    def part(self, run: RunRecord) -> PartToResume:
        """The named part, else the part that the run was begun with. Raises :class:`InvalidSetting`."""
        named, kept = Part.of(self.only, self.from_, self.until), Part.kept(run.settings.get("part"))
        if named is not None and self.whole:
            raise InvalidSetting("`whole` runs everything: leave out `only`, `from` and `until`")
        if named is not None:
            return PartToResume(named, True, bool(self.only or self.from_))
        return PartToResume(None if self.whole else kept, self.whole and kept is not None, False)

    def limit_of(self, run: RunRecord) -> int | None:
        """The limit that is given, else that of the run."""
        if self.limit is None:
            return run.limit
        return self.limit if self.limit != ALL else None

    def settings(self, run: RunRecord, part: Part | None) -> RunSettings:
        """The settings of the run, overridden by those that are given."""
        set_apart = ("executor", "jobs", "limit", "cluster", "around", "part")
        own = {name: value for name, value in run.settings.items() if name not in set_apart}
        return RunSettings(
            self.executor or run.settings.get("executor"),
            self.jobs or run.settings.get("jobs"),
            self.limit_of(run),
            described(self.own_files),
            {**own, **(self.remembered or {})},
            run.settings.get("cluster") if self.cluster is None else self.cluster,
            part,
        )


class PartToResume(NamedTuple):
    """The nodes of a run to continue, None for all. ``asked`` says that this differs from the run so far,
    ``anew`` that they run again even if they have a result."""

    part: Part | None
    asked: bool
    anew: bool

    def again(self, plan: Plan) -> frozenset[str]:
        """The nodes of which no result is good enough."""
        return frozenset(plan.nodes) if self.anew else frozenset()


class Resumable:
    """A run in a journal, and what its caller changes for a further pass: its ``document`` in its present
    state (its file, or the saved copy if the file is gone) and the ``part`` of it to run.

    Raises :class:`InvalidSetting` for a part that cannot be run.
    """

    def __init__(self, journal: Journal, run: RunRecord, changes: Changes) -> None:
        self.journal = journal
        self.run = run
        self.changes = changes
        self.document = _document_of(run)
        self.part = changes.part(run)

    @property
    def is_done(self) -> bool:
        """Whether the run has finished and there is no reason to continue: no edit of the document, nothing
        that the caller changes."""
        run, changes = self.run, self.changes
        if not run.finished or changes.failed_only or changes.params or changes.text_params:
            return False
        if changes.limit_of(run) != run.limit or self.part.asked:
            return False
        return bool(load(self.document).raw == run.document)

    def reads_stdin(self) -> bool:
        """Whether an input or items of the document come from standard input."""
        raw = load(self.document).raw
        inputs = raw.get("inputs") if isinstance(raw, dict) else None
        specs = inputs.values() if isinstance(inputs, dict) else ()
        if any(isinstance(spec, dict) and spec.get("stdin") for spec in specs):
            return True
        return not not_looked_at(self.run, self.document) and any(nodes_on_stdin(self.order().plan))

    def order(self) -> RunRequest:
        """The order for the pass. Raises :class:`InvalidDocument`."""
        run, changes = self.run, self.changes
        params, texts = changes.params or {}, dict(changes.text_params or {})
        declared = _declared(self.document)
        values = {name: value for name, value in run.inputs.items() if name in declared}
        values = {name: value for name, value in {**values, **params}.items() if name not in texts}
        settings = changes.settings(run, self.part.part)
        try:
            return ordered(
                self.document, values, texts, settings, journal=self.journal, warnings=changes.warnings
            )
        except InvalidDocument as error:
            missing = [name for name in declared if name not in values and name not in texts]
            if missing:
                names = " ".join(f"{name}=..." for name in missing)
                error.add_note(f"give the inputs that were not saved: batchmill resume {run.name} {names}")
            raise

    def order_here(self) -> RunRequest:
        """The order for the pass, which this process can run: in the folder of the run, with its items.
        Raises :class:`InvalidDocument` and :class:`InvalidSetting`."""
        _require_folder(self.run)
        order = self.order()
        _require_stdin(self.journal, self.run, order.plan)
        _require_items(self.journal, self.run, order)
        return order


def require_document(run: RunRecord) -> None:
    """Raise :class:`InvalidSetting` for a run of a flow, which can only be continued with the flow."""
    if FLOW in run.settings:
        raise InvalidSetting(
            f"run {run.name} is a run of a flow: run the flow again with this journal, or `batchmill resume`"
        )


def _document_of(run: RunRecord) -> str | dict[str, Any]:
    """The run's document: its file in its present state, or the saved copy if the file is gone."""
    if os.path.isabs(run.source) and os.path.isfile(run.source):
        return run.source
    document: dict[str, Any] = run.document
    return document


def not_looked_at(run: RunRecord, document: str | dict[str, object]) -> str:
    """Why it is not looked at whether the files of a finished run have changed; empty where it is."""
    if MAP in run.settings:
        return "runs of `map` are not looked at"
    if not _works_here(run):
        return f"the folder of the run is {run.folder}"
    raw = load(document).raw
    inputs = raw.get("inputs") if isinstance(raw, dict) else None
    secret = [
        name
        for name, spec in (inputs.items() if isinstance(inputs, dict) else ())
        if isinstance(spec, dict) and spec.get("secret") and name not in run.inputs
    ]
    names = ", ".join(f"`{name}`" for name in secret)
    return f"give the secret inputs again: {names}" if secret else ""


def _works_here(run: RunRecord) -> bool:
    try:
        return os.path.samefile(run.folder, os.getcwd())
    except OSError:
        return False


def _require_folder(run: RunRecord) -> None:
    """Raises :class:`InvalidSetting` in another folder than the run's: its paths would be other files."""
    if _works_here(run):
        return
    problem = f"this process works in {os.getcwd()}: change the folder first"
    if not os.path.isdir(run.folder):
        problem = "which is not there any more: put it back, or begin a new run"
    raise InvalidSetting(f"run {run.name} was begun in {run.folder}, {problem}")


def _require_stdin(journal: Journal, run: RunRecord, plan: Plan) -> None:
    """Raise :class:`InvalidSetting` if items came from standard input and it is empty now: without items the
    run would end as done."""
    with Reader(journal) as reader:
        recorded = {visit.address for visit in reader.visits(run) if visit.done}
    node = next((one for one in nodes_on_stdin(plan) if one in recorded), None)
    if node is not None and standard_input_is_empty():
        raise InvalidSetting(
            f"the items of {node!r} came from standard input, and it is empty now; give them again: "
            f"... | batchmill resume {run.name}"
        )


def _require_items(journal: Journal, run: RunRecord, order: RunRequest) -> None:
    """Raise :class:`InvalidSetting` if a source that had items has none now: the run would end as done
    without them. A source that is only known once other nodes have run is not checked."""
    with Reader(journal) as reader:
        recorded = {visit.address: visit.done for visit in reader.visits(run) if visit.done}
    around = NodeFrame(RunServices(SubWorkflowRun), Namespace(order.inputs))
    for node in order.plan.nodes.values():
        if node.spec.id in recorded and _is_empty(node, around):
            done = recorded[node.spec.id]
            told = f"{count(done, 'item')} {'has' if done == 1 else 'have'} an outcome"
            raise InvalidSetting(
                f"run {run.name} is left as it is: there is nothing in the source of {node.spec.id!r}, "
                f"of which {told}; put the items back, or begin a new run"
            )


def _is_empty(node: PlannedNode, around: NodeFrame) -> bool:
    """Whether the source of a batch can be checked, and is empty. If it cannot be read, the run itself
    reports that."""
    spec = node.spec.batch
    if spec is None or spec.calls_code or spec.items_kind in ("list", "reference", "range", "stdin"):
        return False
    try:
        return not any(True for _ in all_items(spec, around, placed=False))
    except (BatchmillError, OSError):
        return False


def _declared(document: str | dict[str, object]) -> set[str]:
    """The inputs that the document has now; of one that is edited some may be gone."""
    raw = load(document).raw
    inputs = raw.get("inputs") if isinstance(raw, dict) else None
    return set(inputs) if isinstance(inputs, dict) else set()
