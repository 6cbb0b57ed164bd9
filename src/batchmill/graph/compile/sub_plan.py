"""A planned sub-workflow: a document that is compiled once, and run in place of nodes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pydantic_core import PydanticSerializationError

from batchmill.errors import InternalError, InvalidParams
from batchmill.graph.compile.content import content_of
from batchmill.graph.compile.plan import Plan
from batchmill.graph.compile.topology import Topology
from batchmill.graph.compile.user_code import code_of
from batchmill.ir.faults import Fault, path_text
from batchmill.ir.loading import load
from batchmill.ir.models import InputSpec
from batchmill.ir.models.base import FIRST_FORMAT
from batchmill.ir.references import texts_in
from batchmill.ir.validate import Validation, validate
from batchmill.step.namespace import ITEM_KEY
from batchmill.values import to_json

_MOST_SETTLED = 64  # kept of one document; each is a plan of its own


class SubPlan:
    """One compiled sub-document, shared by all nodes and items that run it.

    It exists before its plan: a document may name itself, and while it is checked only its ``inputs`` and
    ``outputs`` are known. Each is None if its document does not declare it, or declares it wrongly.

    Concurrency: one thread fills it in while documents are checked. Afterwards only ``_settled`` grows and
    ``topology`` is made, by any thread; if two threads make equal ones, either may stay.
    """

    def __init__(self, source: str, *, is_file: bool = False) -> None:
        self.source = source
        self.is_file = is_file
        self.inputs: Mapping[str, InputSpec | None] | None = None
        self.outputs: tuple[str, ...] | None = None
        self._plan: Plan | None = None
        self._topology: Topology | None = None
        self._folder: str | None = None
        self._content: str | None = None
        self._gives_keys: bool | None = None
        self._settled: dict[str, SubPlan] = {}

    @property
    def plan(self) -> Plan:
        """The plan to run."""
        if self._plan is None:
            raise InternalError(f"the sub-workflow {self.source} was used before it was compiled")
        return self._plan

    @plan.setter
    def plan(self, plan: Plan) -> None:
        self._plan = plan
        self._folder = plan.import_folder

    @property
    def compiled(self) -> Plan | None:
        """The plan; None before it is there."""
        return self._plan

    @property
    def content(self) -> str:
        """Its content, including that of the documents within, as text."""
        if self._content is None:
            self._content = content_of(self.plan)
        return self._content

    @property
    def gives_keys(self) -> bool:
        """Whether a node in it, or in a document within, takes keys of items."""
        if self._gives_keys is None:
            self._gives_keys = any(_take_keys(self.plan, set()))
        return self._gives_keys

    @property
    def content_in_format_1(self) -> str:
        """The same as the first format of the journal had it."""
        return "\n".join(_contents(self.plan, set()))

    @property
    def topology(self) -> Topology:
        """The plan in numbers, made when it is first run."""
        if self._topology is None:
            self._topology = Topology(self.plan)
        return self._topology

    def settled(self, inputs: Mapping[str, object]) -> SubPlan:
        """The same with the settings that these inputs give. Raises :class:`InvalidParams` for such that are
        none."""
        settings = self.plan.settings
        if settings is None:
            return self
        known = to_json([inputs[name] for name in settings.inputs])
        settled = self._settled.get(known)
        if settled is None:
            settled = self._with(validate(load(settings.raw), inputs))
            if len(self._settled) >= _MOST_SETTLED:
                self._settled.clear()
            self._settled[known] = settled
        return settled

    def _with(self, found: Validation) -> SubPlan:
        faults = found.placed(found.faults)
        if faults or found.workflow is None:
            raise InvalidParams(f"{self.source}: {in_words(faults, with_places=True)}")
        specs = {node.id: node.spec for node in found.outline.all_nodes}
        nodes = {name: replace(node, spec=specs[name] or node.spec) for name, node in self.plan.nodes.items()}
        settled = SubPlan(self.source, is_file=self.is_file)
        settled.inputs, settled.outputs = self.inputs, self.outputs
        settled.plan = replace(self.plan, workflow=found.workflow, nodes=nodes, settings=None)
        return settled

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_topology": None, "_settled": {}}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        if self._folder is not None and self._folder not in sys.path:
            sys.path.append(self._folder)


def in_words(faults: Iterable[Fault], *, with_places: bool = False) -> str:
    """Faults as one text."""
    return ". ".join(
        (f"{path_text(fault.path)} " if with_places else "")
        + fault.message
        + (f"; {fault.hint}" if fault.hint else "")
        for fault in faults
    )


def _take_keys(plan: Plan, seen: set[int]) -> Iterator[bool]:
    """For each node inside whether its templates take keys of items."""
    if id(plan) not in seen:
        seen.add(id(plan))
        for node in plan.nodes.values():
            spec = node.spec
            written = [spec.params, spec.when, list(spec.files), spec.keep]
            yield next(texts_in(written, (), (ITEM_KEY,)), None) is not None
            if node.sub is not None:
                yield from _take_keys(node.sub.plan, seen)


def _contents(plan: Plan, seen: set[int]) -> Iterator[str]:
    """The documents of a plan and of those within, and the code that their nodes run, each once."""
    if id(plan) in seen:
        return
    seen.add(id(plan))
    try:
        yield plan.workflow.model_dump_json(by_alias=True, warnings=False, context=FIRST_FORMAT)
    except PydanticSerializationError:  # half of a surrogate pair, say: no such run was kept
        yield to_json(plan.workflow.model_dump(by_alias=True, warnings=False, context=FIRST_FORMAT))
    for node in plan.nodes.values():
        yield code_of(node.kind, node.spec.params)
        if node.sub is not None:
            yield from _contents(node.sub.plan, seen)
