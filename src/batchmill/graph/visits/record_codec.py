"""Records of attempts as JSON for the journal, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from batchmill.graph.node_run import SubReport, signed
from batchmill.journal.contract import Codec
from batchmill.record import LLMCall, Usage, new_id
from batchmill.step import Unresolved
from batchmill.warned import Warned

_CALL_FIELDS = {one.name for one in fields(LLMCall)}
_WARNED_FIELDS = {one.name for one in fields(Warned)}


def write(records: Sequence[object]) -> list[Any]:
    """Each record as an object with one key, its kind. Raises TypeError for a record of another kind."""
    return [_written(record) for record in records]


def _written(record: object) -> dict[str, object]:
    if isinstance(record, LLMCall):
        return {"call": record.as_json()}
    if isinstance(record, Unresolved):
        return {"unresolved": list(record.references)}
    if isinstance(record, SubReport):
        if record.reports or record.secrets:
            raise TypeError("a report with secrets or with those of nodes inside is not kept")
        inside = {"errors": list(record.errors), "degraded": record.degraded}
        told = {"warnings": [one.as_json() for one in record.warnings]} if record.warnings else {}
        return {"sub": {"calls": write(record.calls), "environment": record.environment, **inside, **told}}
    if isinstance(record, Warned):
        return {"warned": record.as_json()}
    if isinstance(record, dict):
        return {"record": record}
    raise TypeError(f"a record of type {type(record).__name__} is not kept")


def read(written: Sequence[object]) -> tuple[Any, ...]:
    """The records that were given to :func:`write`. Raises ValueError for other data."""
    return tuple(_read(one) for one in written)


def _read(written: object) -> object:
    match written:
        case {"call": dict(call)} if call.keys() <= _CALL_FIELDS:
            return LLMCall(**call)
        case {"unresolved": list(references)}:
            return Unresolved(tuple(references))
        case {"warned": dict(warned)} if warned.keys() <= _WARNED_FIELDS:
            return Warned(**warned)
        case {
            "sub": {
                "calls": calls,
                "errors": errors,
                "degraded": degraded,
                "environment": environment,
                **more,
            }
        }:
            warnings = tuple(Warned(**one) for one in _list(more.get("warnings")))
            return SubReport(read(calls), tuple(errors), bool(degraded), bool(environment), warnings=warnings)
        case {"record": dict(record)}:
            return record
    raise ValueError(f"no record: {str(written)[:80]}")


def _list(written: object) -> list[Any]:
    return written if isinstance(written, list) else []


def degraded(records: Sequence[object]) -> bool:
    """Whether a sub-workflow among the records ended degraded."""
    return any(isinstance(record, SubReport) and record.degraded for record in records)


def calls(records: Sequence[object], node: str, index: int | None) -> list[tuple[str, dict[str, Any]]]:
    """The calls among the records of attempts at an item of ``node``, including those of sub-workflows, in
    the form of ``llm_calls`` of a result; each with its id, empty if it has none."""
    found: list[tuple[str, dict[str, Any]]] = []
    for record in records:
        if isinstance(record, SubReport):
            found += calls(record.calls, node, index)
        elif isinstance(record, (LLMCall, dict)):
            own = signed(record, node, index)
            found.append((own.id, own.as_json()) if isinstance(own, LLMCall) else ("", own))
    return found


def costs(records: Iterable[object]) -> Iterator[float]:
    """The cost in US dollars of each call with a price among the records, including those of
    sub-workflows."""
    for record in records:
        if isinstance(record, SubReport):
            yield from costs(record.calls)
        elif isinstance(record, LLMCall):
            if record.cost is not None:
                yield float(record.cost)
        elif isinstance(record, dict) and record.get("cost") is not None:
            yield float(record["cost"])


def as_kept(records: Sequence[object]) -> tuple[object, ...]:
    """Records of an outcome that is taken from another run: the calls were not made again, so they cost
    nothing."""
    return tuple(map(_as_kept, records))


def _as_kept(record: object) -> object:
    if isinstance(record, LLMCall):
        return replace(record, kept=True, cost=0.0, id=new_id())
    if isinstance(record, SubReport):
        return replace(record, calls=as_kept(record.calls))
    if isinstance(record, dict) and Usage.counts(record):
        return {**record, "kept": True, "cost": 0.0}
    return record


CODEC = Codec(write, read, degraded, calls, as_kept)
