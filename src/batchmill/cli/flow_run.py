"""Continue a run of a flow for ``batchmill resume``: find the flow by its name and start it with the store
it had."""

from __future__ import annotations

import asyncio
import importlib
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import InvalidSetting, Stopped, StorageError
from batchmill.events import Listener
from batchmill.executors.describe import describe
from batchmill.flow.async_node import AsyncNode
from batchmill.flow.journaled import Resuming, outputs_of
from batchmill.journal.contract import FLOW, RunRecord
from batchmill.journal.journal import Journal
from batchmill.journal.reading import Reader
from batchmill.runs.result import RunResult


def is_flow(run: RunRecord) -> bool:
    """Whether a run is one of a flow."""
    return isinstance(run.settings.get(FLOW), dict)


@dataclass(frozen=True, slots=True)
class FlowResume:
    """Continues a run of a flow; called like :class:`~batchmill.cli.fulfil.Begin`. ``again`` runs the failed
    items of a finished run once more."""

    run: RunRecord
    journal: Journal
    again: bool

    def __call__(
        self, *, listeners: Iterable[Listener], stop: CancelToken, cancel: CancelToken, **_: object
    ) -> RunResult:
        """The result. Raises :class:`InvalidSetting` for a flow that cannot be found or begun."""
        if self.run.finished and not self.again:
            return self._as_it_was()
        with _importing(self.run) as flow:
            with Reader(self.journal) as reader:
                now = reader.run(self.run.name)
            if now.passes != self.run.passes:  # the module ran it when it was imported
                return self._as_it_was()
            with CancelToken(stop, cancel) as ending:
                return self._gone_on_with(flow, list(listeners), ending)

    def _gone_on_with(self, flow: Any, listeners: list[Listener], stop: CancelToken) -> RunResult:
        shared = dict(self.run.inputs)
        resuming = Resuming(self.run)
        keeping: dict[str, Any] = {"journal": self.journal, "listeners": listeners, "stop": stop}
        keeping["resuming"] = resuming
        fault: Exception | None = None
        try:
            if isinstance(flow, AsyncNode):
                asyncio.run(flow.run_async(shared, **keeping))
            else:
                flow.run(shared, **keeping)
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001  # the user's own: told as that of the run
            fault = error
        return self._result(shared, fault, resuming)

    def _result(self, shared: Mapping[str, object], fault: Exception | None, resuming: Resuming) -> RunResult:
        with Reader(self.journal) as reader:
            run = reader.run(self.run.name)
            nodes, calls = reader.nodes(run), [call for _, call in reader.calls(run)]
        stopped = isinstance(fault, Stopped)
        return RunResult(
            run=run.name,
            status="failed" if fault is not None else "degraded" if run.status == "degraded" else "success",
            outputs=outputs_of(shared),
            nodes=nodes,
            errors=[] if fault is None or stopped else [_entry(fault)],
            llm_calls=calls,
            timing={"started_at": run.started_at, "wall": run.wall or 0.0},
            interrupted=stopped,
            resumed=resuming.counts,
            changed_by=resuming.changes,
            journal=str(self.journal.path),
        )

    def _as_it_was(self) -> RunResult:
        with Reader(self.journal) as reader:
            run = reader.run(self.run.name)
            found = reader.result(run) or {}
        status: Any = run.status if run.status in ("success", "degraded") else "failed"
        fields = {name: found[name] for name in ("outputs", "nodes", "llm_calls", "timing") if name in found}
        return RunResult(run.name, status, **fields, journal=str(self.journal.path), untouched=run.finished)


def _entry(fault: Exception) -> dict[str, object]:
    info = describe(fault)
    told = {"type": info.type, "message": info.message, "attempts": 1, "kind": info.kind}
    return {"node": None, "index": None, "item": None, **told, "traceback": info.traceback}


@contextmanager
def _importing(run: RunRecord) -> Iterator[object]:
    """The flow of a run, imported from where it was found. Raises :class:`InvalidSetting`."""
    told = run.settings[FLOW]
    named = told.get("named")
    if not named:
        raise InvalidSetting(
            f"the flow of run {run.name} cannot be imported: no module names it; {_by_script(told)}"
        )
    if not told.get("whole"):
        raise InvalidSetting(
            f"the shared store of run {run.name} was not saved, because it is not JSON; {_by_script(told)}"
        )
    module, _, name = str(named).rpartition(":")
    folder = os.path.dirname(run.source) if os.path.isabs(run.source) else run.folder
    sys.path[:0] = [folder, run.folder]
    try:
        flow = getattr(_module(module), name, None)
        if not hasattr(flow, "successors"):
            raise InvalidSetting(f"{named} is not a flow any more; {_by_script(told)}")
        yield flow
    finally:
        for one in (folder, run.folder):
            if one in sys.path:
                sys.path.remove(one)


def _module(named: str) -> object:
    """A module by its name, or of a file that was run as a script."""
    try:
        if not named.endswith(".py"):
            return importlib.import_module(named)
        spec = spec_from_file_location(Path(named).stem, named)
        if spec is None or spec.loader is None:
            raise ImportError(f"{named} is not a module")
        module = module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    except Exception as fault:
        raise InvalidSetting(f"{named} cannot be imported: {type(fault).__name__}: {fault}") from fault


def _by_script(told: Mapping[str, Any]) -> str:
    command = told.get("command") or []
    shown = f": {shlex.join(map(str, command))}" if command else ""
    return f"run the program that started it again, with the same journal{shown}"
