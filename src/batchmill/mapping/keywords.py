"""Keyword arguments as the settings of a batch: named and formed as the keys of a document's batch block.

The block's own model checks them, so that each has one range and one set of error messages. The model brings
pydantic, which takes longer than starting a worker process. So settings that are common and plainly fine do
without it.
"""

from __future__ import annotations

import functools
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypedDict

from batchmill.batch.settings import BatchSettings
from batchmill.concurrency.promises import awaits
from batchmill.errors import InvalidSetting, UnknownSetting
from batchmill.executors.contract import Task
from batchmill.executors.registry import executor_named
from batchmill.executors.running.prepared import Prepared
from batchmill.ir.clusters import checked_cluster
from batchmill.ir.faults import did_you_mean
from batchmill.mapping.reporting import ItemResult
from batchmill.policy import FailurePolicy, RetryPolicy
from batchmill.policy.concurrency import MOST_CONCURRENT
from batchmill.policy.retry import MAX_ATTEMPTS
from batchmill.values.tracebacks import warn

if TYPE_CHECKING:  # only limits need them
    from batchmill.batch.admissions.gates import Gates
    from batchmill.batch.admissions.rate_gate import Gate

Executor = Literal["sequential", "thread", "process", "auto", "dask"]
ErrorHandling = Literal["fail_fast", "continue", "fail_safe"]
RetryOn = type[BaseException] | Sequence[type[BaseException]]


class Settings(TypedDict, total=False):
    """The keyword arguments of ``map`` and its variants, for type checkers and editors. ``return_exceptions``
    changes the type of the results and has overloads of its own."""

    executor: Executor
    max_concurrent: int | str | None
    chunk_size: int | Literal["auto"] | None
    max_retries: int
    retry_wait: float
    retry_backoff: float
    retry_max_wait: float
    retry_jitter: bool
    timeout: float | None
    error_handling: ErrorHandling
    tolerate: Mapping[str, float] | None
    memory_limit: int | str | None
    rate_limit: Mapping[str, object] | None
    retry_on: RetryOn | None
    on_result: Callable[[ItemResult], object] | None
    progress: bool
    initializer: Callable[..., object] | None
    initargs: Sequence[object]
    max_items_per_worker: int | None
    cluster: str | Mapping[str, Any] | None


DEFAULTS: dict[str, object] = {
    "executor": "thread",
    "max_concurrent": None,
    "chunk_size": None,
    "max_retries": 1,
    "retry_wait": 0.0,
    "retry_backoff": 1.0,
    "retry_max_wait": 60.0,
    "retry_jitter": True,
    "timeout": None,
    "error_handling": "fail_fast",
    "tolerate": None,
    "memory_limit": None,
    "rate_limit": None,
    "retry_on": None,
    "on_result": None,
    "progress": False,
    "return_exceptions": False,
    "initializer": None,
    "initargs": (),
    "max_items_per_worker": None,
    "cluster": None,
}
OF_THE_FACE = (
    "retry_on",
    "on_result",
    "progress",
    "return_exceptions",
    "initializer",
    "initargs",
    "max_items_per_worker",
)
"""Keywords that no document has: their values are Python objects."""
WITH_PROCESSES = ("process", "auto", "dask")
_OBJECTS = {
    "tolerate": '{"count": 3} or {"percent": 5}',
    "rate_limit": '{"per_second": 5}',
}


def _same(words: str, name: str) -> dict[str, str]:
    return dict.fromkeys(words.split(), name)


_OTHER_NAMES = {
    **_same("workers max_workers n_workers num_workers jobs n_jobs num_jobs pool_size", "max_concurrent"),
    **_same("concurrency processes num_processes nproc threads num_threads n_threads", "max_concurrent"),
    **_same("retries num_retries n_retries attempts max_attempts tries max_tries", "max_retries"),
    **_same("wait delay retry_delay retry_interval sleep", "retry_wait"),
    **_same("backoff backoff_factor", "retry_backoff"),
    **_same("max_wait max_delay", "retry_max_wait"),
    **_same("jitter", "retry_jitter"),
    **_same("chunksize batch_size batchsize", "chunk_size"),
    **_same("time_limit timelimit task_timeout item_timeout", "timeout"),
    **_same("on_error errors raise_on_error ignore_errors fail_fast", "error_handling"),
    **_same("max_failures max_errors allowed_failures tolerance", "tolerate"),
    **_same("memory mem mem_limit max_memory", "memory_limit"),
    **_same("rate rate_per_second per_second requests_per_second", "rate_limit"),
    **_same("maxtasksperchild max_tasks_per_child worker_lifespan max_tasks", "max_items_per_worker"),
    **_same("init worker_init on_start setup", "initializer"),
    **_same("backend pool method mode prefer engine parallel", "executor"),
}
"""Names of our settings in other libraries."""


@functools.cache
def _shared_gates() -> Gates:
    """The gates of this process: calls that name the same key share its limit."""
    from batchmill.batch.admissions.gates import Gates

    return Gates()


def chosen(
    given: Mapping[str, object], owner: str, unknown: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """The settings among the arguments of ``owner``, with defaults for the others. ``unknown`` are its
    unrecognised arguments.

    Raises :class:`UnknownSetting`; without ``unknown`` it checks ``given``.
    """
    extra = {name: given[name] for name in ("ordered", "indexed") if name in given}
    strange = (
        [name for name in given if name not in DEFAULTS and name not in extra]
        if unknown is None
        else list(unknown)
    )
    if strange:
        refuse(owner, strange, [*DEFAULTS, *extra])
    for name, value in extra.items():
        if not isinstance(value, bool):
            raise InvalidSetting(f"`{name}` must be true or false, not {value!r}")
    return {name: given.get(name, default) for name, default in DEFAULTS.items()}


def refuse(owner: str, names: Iterable[str], known: Iterable[str]) -> NoReturn:
    """Raise :class:`UnknownSetting` for the first of ``names``, which ``owner`` does not have, and suggest a
    known name."""
    name, choices = next(iter(names)), list(known)
    other = _OTHER_NAMES.get(name.lower())
    hint = f"did you mean `{other}`?" if other in choices else did_you_mean(name, choices)
    raise UnknownSetting(f"{owner} has no setting `{name}`; {hint or 'it has ' + ', '.join(choices)}")


def settings_of(given: Mapping[str, object]) -> BatchSettings:
    """Convert some of the keywords to settings, with defaults for the others.

    Raises :class:`InvalidSetting` with all their faults.
    """
    executor = given.get("executor", DEFAULTS["executor"])
    if not isinstance(executor, str):
        raise InvalidSetting(f"`executor` must be the name of one, not {executor!r}")
    executor_named(executor)
    _check_face(given)
    keys = {name: value for name, value in given.items() if name not in OF_THE_FACE}
    in_place = bool(given.get("return_exceptions"))
    if in_place and keys.get("error_handling") == "fail_fast":
        keys["error_handling"] = "continue"
    settings = _of_block(executor, keys)
    if settings.memory_limit_bytes is not None and executor not in WITH_PROCESSES:
        warn(
            f"`memory_limit` does nothing here: it limits worker processes, and the executor is {executor!r}",
            RuntimeWarning,
        )
    on = _classes(given.get("retry_on"))
    retry = settings.retry if on is None else replace(settings.retry, on=on)
    most = _plain(given.get("max_items_per_worker"))
    if most is not None and executor not in WITH_PROCESSES:
        raise InvalidSetting(
            f"`max_items_per_worker` is for worker processes, and the executor is {executor!r}: set "
            '`executor` to "process", or leave it out'
        )
    if on is None and not in_place and most is None:
        return settings
    return replace(settings, retry=retry, keep_exceptions=in_place, max_items_per_worker=most)


def _of_block(executor: str, keys: Mapping[str, object]) -> BatchSettings:
    wanted = {
        name: _plain(value)
        for name, value in keys.items()
        if value is not DEFAULTS[name] and not _is_default(name, value)
    }
    cluster = checked_cluster(wanted.pop("cluster", None))
    if not wanted.keys() - {"executor"}:
        return BatchSettings(executor=executor, cluster=cluster)
    for name, example in _OBJECTS.items():
        if name in wanted and not isinstance(wanted[name], dict):
            raise InvalidSetting(f"`{name}` must be a dictionary such as {example}, not {wanted[name]!r}")
    if (settings := plainly_fine(executor, wanted)) is not None:
        return settings if cluster is None else replace(settings, cluster=cluster)
    from batchmill.ir.models.reading import faults_of_batch

    block, faults = faults_of_batch({**wanted, "executor": executor, "items": []})
    if block is None:
        raise InvalidSetting("; ".join(faults))
    return replace(BatchSettings.of_block(block, _gate(block)), cluster=cluster)


_COMMON: dict[str, Callable[[Any], bool]] = {
    "executor": lambda value: True,  # looked at before
    "max_concurrent": lambda value: type(value) is int and 1 <= value <= MOST_CONCURRENT,
    "chunk_size": lambda value: type(value) is int and 1 <= value <= 1_000_000,
    "max_retries": lambda value: type(value) is int and 1 <= value <= MAX_ATTEMPTS,
    "retry_wait": lambda value: type(value) in (int, float) and 0 <= value <= 3600,
    "timeout": lambda value: type(value) in (int, float) and 0 < value <= 86400,
    "error_handling": lambda value: value in ("fail_fast", "continue"),
}
"""Common settings, each with some of the values that the model of a batch block takes unchanged."""


def plainly_fine(executor: str, wanted: Mapping[str, Any]) -> BatchSettings | None:
    """The settings for ``wanted``, keys of a batch block, if they are all common; None if the model must
    check them."""
    if not all(name in _COMMON and _COMMON[name](value) for name, value in wanted.items()):
        return None
    timeout = wanted.get("timeout")
    return _common_settings(
        executor,
        wanted.get("max_concurrent"),
        wanted.get("chunk_size"),
        None if timeout is None else float(timeout),
        wanted.get("max_retries", 1),
        float(wanted.get("retry_wait", 0.0)),
        wanted.get("error_handling", "fail_fast") == "fail_fast",
    )


@functools.lru_cache(maxsize=64)
def _common_settings(
    executor: str,
    max_concurrent: int | None,
    chunk_size: int | None,
    timeout: float | None,
    max_retries: int,
    retry_wait: float,
    fail_fast: bool,
) -> BatchSettings:
    retry, failures = RetryPolicy(max_retries, retry_wait), FailurePolicy(fail_fast=fail_fast)
    return BatchSettings(executor, max_concurrent, chunk_size, timeout, retry, failures)


def _check_face(given: Mapping[str, object]) -> None:
    for name in ("progress", "return_exceptions"):
        if not isinstance(given.get(name, False), bool):
            raise InvalidSetting(f"`{name}` must be true or false, not {given[name]!r}")
    if given.get("on_result") is not None and not callable(given["on_result"]):
        raise InvalidSetting(f"`on_result` must be a function of one result, not {given['on_result']!r}")
    _check_initializer(given.get("initializer"), given.get("initargs", ()))


def _check_initializer(initializer: object, arguments: object) -> None:
    if initializer is None:
        if arguments != ():
            raise InvalidSetting("`initargs` are arguments of `initializer`, which is not given")
        return
    if not callable(initializer):
        raise InvalidSetting(f"`initializer` must be a function, not {initializer!r}")
    if awaits(initializer):
        raise InvalidSetting("`initializer` must be a plain function, not one that is awaited")
    if not isinstance(arguments, (tuple, list)):
        raise InvalidSetting(f"`initargs` must be a tuple or list of arguments, not {arguments!r}")


def prepared(task: Task, given: Mapping[str, Any]) -> Task:
    """The task, behind the initializer of the keywords."""
    initializer = given.get("initializer")
    return task if initializer is None else Prepared(task, initializer, given.get("initargs", ()))


def _classes(wanted: object) -> tuple[type[BaseException], ...] | None:
    """The classes of ``retry_on``, which is one exception class or several."""
    if wanted is None:
        return None
    found = tuple(wanted) if isinstance(wanted, (tuple, list, set, frozenset)) else (wanted,)
    for one in found:
        if not (isinstance(one, type) and issubclass(one, BaseException)):
            raise InvalidSetting(f"`retry_on` must be classes of exceptions, not {one!r}")
    return found


def _is_default(name: str, value: object) -> bool:
    default = DEFAULTS[name]
    return type(value) is type(default) and bool(value == default)


def _plain(value: object) -> Any:
    """Convert numbers of other libraries, such as numpy's, to Python's own, also inside mappings."""
    if type(value) in (bool, int, float, str, type(None)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, Mapping) else value


def _gate(block: Any) -> Gate | None:
    """The gate that lets items start, None if nothing limits them."""
    limited, span = block.rate_limit, block.span
    if limited is None and span is None:
        return None
    from batchmill.batch.admissions.gates import Gates
    from batchmill.batch.admissions.rate_gate import Gate
    from batchmill.policy.limits import Limits

    limits = (limited.limits if limited is not None else Limits()).stricter(Limits(adaptive=span))
    key = limited.key if limited is not None else None
    gates = Gates() if key is None else _shared_gates()
    lane = gates.lane(key or "", Limits(), shared=limited is not None and limited.shared)
    return Gate(gates, lane, longest_pause=block.retry_max_wait, limits=limits)
