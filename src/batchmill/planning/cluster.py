"""The cluster in a plan: the workers that its batches would run on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from batchmill.errors import ExecutorUnavailable, MissingExtra
from batchmill.executors.remote.folder_probe import probing
from batchmill.executors.remote.offer import as_json, rows
from batchmill.executors.remote.where import local_seats, offer_at
from batchmill.traits import TRAITS
from batchmill.values.words import count

Told = dict[str, Any]


def add_cluster(told: Told, cluster: str | Mapping[str, object] | None) -> None:
    """Look up the workers of ``cluster`` if a batch of the plan ``told`` would run there, and add them to the
    plan under ``cluster``; add to those batches how many items run at once. A local cluster is not started
    for it. An unreachable one is reported with its remedy and is no error, because nothing runs."""
    batches = [batch for batch in _batches(told) if TRAITS[batch["executor"]].elsewhere]
    if not batches:
        return
    seen = told["cluster"] = _looked_at(cluster)
    for batch in batches:
        if seats := seen["seats"]:
            batch["max_concurrent"] = min(batch["max_concurrent"] or seats, seats)


def cluster_lines(seen: Mapping[str, Any]) -> Iterator[str]:
    """The same for people."""
    yield f"cluster: {seen['summary']}"
    for fault in seen["faults"]:
        yield f"    {fault['what']}"
        yield f"    -> {fault['remedy']}"


def _looked_at(cluster: str | Mapping[str, object] | None) -> Told:
    try:
        seats = local_seats(cluster)
        if seats is not None:
            words = f"one of this machine, started with the run, {count(seats, 'seat')}"
            return {"summary": words, "place": "local", "seats": seats, "faults": []}
        with probing() as probe:
            offer = offer_at(cluster, probe)
    except (ExecutorUnavailable, MissingExtra) as fault:
        what, _, remedy = str(fault).partition("; ")
        faults = [{"level": "problem", "what": what, "remedy": remedy or "batchmill doctor --cluster WHERE"}]
        return {"summary": "nothing can run there", "seats": None, "faults": faults}
    return {"summary": "; ".join(value for _, value in rows(offer)), **as_json(offer)}


def _batches(told: Told) -> Iterator[Told]:
    """The batches of all nodes, including those of sub-workflows."""
    for node in (*told.get("nodes", ()), *told.get("finally", ())):
        if "batch" in node:
            yield node["batch"]
        if "workflow" in node:
            yield from _batches(node["workflow"])
