"""A batch as it is sent to a cluster: the job for its agents, and the part that runs here instead."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import ExecutorUnavailable, NotPicklable
from batchmill.executors.contract import Channel, Choice, Chunk, ExecutorSettings, Task
from batchmill.executors.describe import describe
from batchmill.executors.local.thread import ThreadExecutor
from batchmill.executors.pickling import pickler
from batchmill.executors.process.environment import ProcessEnvironment
from batchmill.executors.remote.calls import FactsCall
from batchmill.executors.remote.contract import Carrier
from batchmill.executors.remote.folder_probe import Probe, probing, unshared
from batchmill.executors.remote.loaded_jobs import RemoteJob
from batchmill.executors.remote.modules import travelling
from batchmill.executors.remote.where import said_of
from batchmill.ir.clusters import variables_of
from batchmill.outcome import ErrorInfo
from batchmill.policy import RetryPolicy
from batchmill.values.told_secrets import told_secret


class PackedBatch(NamedTuple):
    """The pickle of a :class:`RemoteJob` and the ``digest`` that agents know it by. Batches of one ``kind``
    run the same task, whatever else differs."""

    job: bytes
    digest: bytes
    kind: bytes


def packed_job(task: Task, settings: ExecutorSettings, carrier: Carrier, probe: Probe | None) -> PackedBatch:
    """Raises :class:`NotPicklable` naming the attribute at fault."""
    try:
        plain = pickler.goes_by_name(task.only_function)
        stream = bytes(pickler.dumps(task, [], plain=plain, in_band=True))
        retry = bytes(pickler.dumps(settings.retry, [], in_band=True))
    except NotPicklable:
        raise
    except Exception as fault:
        raise pickler.refusal(task, fault, "task") from fault
    there = replace(settings, max_concurrent=1, chunk_size=None, on_choice=None, slots=None, by_permit=False)
    lost = settings.retry.of_lost_attempts() if isinstance(settings.retry, RetryPolicy) else settings.retry
    there = replace(there, cluster=None, on_death=None, on_worker=None, retry=lost)
    cwd = settings.cluster.get("cwd") if isinstance(settings.cluster, dict) else None
    around = ProcessEnvironment.packed(1) if carrier.here else ProcessEnvironment.packed_without_environment()
    modules = None if carrier.here else travelling(stream, retry)
    env = tuple(variables_for(settings.cluster).items())
    job = RemoteJob(stream, retry, there, around, carrier.here, cwd, probe, task.needs_folder, modules, env)
    packed = pickle.dumps(job, 5)
    return PackedBatch(packed, _digest(packed), _digest(stream))


def packed_items(chunk: Chunk) -> bytes | ErrorInfo:
    """The items as they travel, or why they cannot."""
    try:
        return bytes(pickler.dumps(list(chunk.items), [], in_band=True))
    except BaseException as fault:  # noqa: BLE001  # whatever pickling raises is an error of the items
        return describe(pickler.refusal(chunk.items[0], fault, "item"))


def _digest(packed: bytes) -> bytes:
    return hashlib.blake2b(packed, digest_size=16).digest()


def variables_for(cluster: str | Mapping[str, Any] | None) -> dict[str, str]:
    """The variables of this process that items get there. Raises :class:`ExecutorUnavailable` for one that is
    not set."""
    names = variables_of(said_of(cluster))
    for name in names:
        if name not in os.environ:
            raise ExecutorUnavailable(
                f"`env` of `cluster` names the variable {name}, which is not set here: set it, or take its "
                "name off the list"
            )
    return {name: os.environ[name] for name in names}


def refuse_secrets(task: Task, carrier: Carrier, settings: ExecutorSettings) -> None:
    """Raise :class:`ExecutorUnavailable` if secrets would be sent over a readable connection without
    permission."""
    if not guarded(carrier, settings):
        return
    if what := task.secret or _told(task):
        raise refusal_to_send(what)
    if path := told_secret(variables_for(settings.cluster)):
        raise refusal_to_send(f"the variable {path}")


def guarded(carrier: Carrier, settings: ExecutorSettings) -> bool:
    """Whether the connection is readable by others, and the settings do not permit that."""
    said = said_of(settings.cluster)
    return carrier.exposed and not (isinstance(said, Mapping) and said.get("insecure"))


def check_items(chunk: Chunk) -> None:
    """Raises :class:`ExecutorUnavailable` if an item holds a secret."""
    for offset, item in enumerate(chunk.items):
        if what := _told(item):
            raise refusal_to_send(f"{what} of the item {chunk.start + offset}")


def _told(value: Any) -> str:
    path = told_secret(value)
    if path is None:
        return ""
    return f"`{'.'.join(path.split('.')[-2:])}`" if path else "a secret"


def refusal_to_send(what: str) -> ExecutorUnavailable:
    """The error for ``what`` must not be read on the way."""
    return ExecutorUnavailable(
        f"{what} would be sent where others can read it, as the connection to the cluster is not "
        "encrypted: start scheduler and workers with certificates (`batchmill cluster certs DIR` says how), "
        'or, in a network that is yours alone, write `cluster` as {"address": "tcp://...", "insecure": true}'
    )


@contextlib.contextmanager
def probe_for(carrier: Carrier, task: Task, settings: ExecutorSettings) -> Iterator[Probe | None]:
    """A file in this folder by which workers of other machines see whether they share it."""
    elsewhere = isinstance(settings.cluster, dict) and settings.cluster.get("cwd") is not None
    elsewhere = elsewhere and not task.folders_here
    with contextlib.ExitStack() as stack:
        probe = None
        if not (carrier.here or elsewhere):
            try:
                probe = stack.enter_context(probing())
            except ExecutorUnavailable:  # nothing can be written here: then it counts as not shared
                if task.needs_folder:
                    raise
        yield probe


def host_without(carrier: Carrier, probe: Probe) -> str:
    """A host whose worker does not see the probe; "" if all do."""
    offer = carrier.offer(pickle.dumps(FactsCall(probe), 5))
    apart = (one.host for one in offer.workers if one.facts and one.facts["shares_folder"] is False)
    return next(apart, "")


def run_here(
    task: Task, channel: Channel, settings: ExecutorSettings, cancel: CancelToken, apart: str
) -> Iterator[Block]:
    """Run a task that needs the folder of the run, which the worker ``apart`` does not have, on threads of
    this process. Raises :class:`ExecutorUnavailable` if it does more than work on files."""
    if not task.only_files:
        raise ExecutorUnavailable(unshared(os.getcwd(), apart, task.needs_folder, no_other=task.folders_here))
    executor = ThreadExecutor()
    if settings.on_choice is not None:
        reason = f"{apart} does not have the folder of the run, so its files are worked on here, on threads"
        settings.on_choice(Choice(executor.name, reason, executor.workers(settings)))
    yield from executor.run(task, channel, settings, cancel)
