"""The offer of a cluster as plain data, and its faults, each with a remedy."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Literal, NamedTuple

from batchmill.errors import ExecutorUnavailable
from batchmill.executors.cores import memory_limit
from batchmill.executors.remote.folder_probe import Probe, seen
from batchmill.values.words import count, size

SHARED_MEMORY = "/dev/shm"  # noqa: S108  # looked at only
LEAST_SHARED_BYTES = 64 << 20
SOON_DAYS = 14.0
CARRIED = ("batchmill", "cloudpickle")  # what has to be there, of the same version or nearly so


@dataclass(frozen=True, slots=True)
class OfferedWorker:
    """A worker as its carrier knows it. ``python`` (``3.12.1``) and the versions of ``packages`` are empty if
    unknown; a missing package has the version None. ``facts`` is its agent's report (:func:`facts`), None
    without one, for the reason in ``fault``."""

    address: str
    seats: int
    python: str = ""
    packages: Mapping[str, str | None] = field(default_factory=dict)
    facts: Mapping[str, Any] | None = None
    fault: str = ""

    @property
    def host(self) -> str:
        """Its name for people."""
        return str(self.facts["host"]) if self.facts else self.address


@dataclass(frozen=True, slots=True)
class Offer:
    """A cluster that was reached: ``place`` in words, ``reached_ms`` until it answered, ``tls`` its protocol
    ("" without), ``expires_days`` until a certificate expires."""

    place: str
    workers: Sequence[OfferedWorker]
    reached_ms: float = 0.0
    tls: str = ""
    encrypted: bool = True
    expires_days: float | None = None
    dask: str = ""

    @property
    def seats(self) -> int:
        """How many items can run at once."""
        return sum(worker.seats for worker in self.workers)


class Fault(NamedTuple):
    """A fault: a ``problem`` stops every run, a ``note`` does not; with its remedy."""

    level: Literal["note", "problem"]
    what: str
    remedy: str


def facts(probe: Probe | None) -> dict[str, Any]:
    """The facts about this process's machine; bytes, and None for unknown values."""
    import psutil  # 17 ms

    shared = shutil.disk_usage(SHARED_MEMORY).free if os.access(SHARED_MEMORY, os.W_OK) else None
    limit = memory_limit()
    memory = psutil.virtual_memory().total
    return {
        "host": socket.gethostname(),
        "memory": memory if limit is None else min(memory, limit),
        "shared_memory": shared,
        "folder": os.getcwd(),
        "shares_folder": None if probe is None else seen(probe),
    }


def installed(package: str) -> str | None:
    """Its version here, None if it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def version_faults(offer: Offer) -> Iterator[Fault]:
    """The faults that keep workers from running our orders: another Python, another batchmill."""
    python = platform.python_version()
    yield from _differing(
        "Python",
        python,
        {worker.host: worker.python for worker in offer.workers if worker.python},
        parts=2,
        remedy=f"start those workers with Python {_start(python, 2)}, or run batchmill with theirs; items "
        "travel only between the same minor versions",
    )
    for package, parts in zip(CARRIED, (3, 1), strict=True):
        here = installed(package) or ""
        there = {w.host: w.packages[package] for w in offer.workers if package in w.packages}
        yield from _differing(
            package, here, there, parts, f"install it there: pip install '{package}=={here}'"
        )
    for worker in offer.workers:
        if worker.fault and worker.packages.get("batchmill", "") is not None:
            yield Fault("problem", f"{worker.host} runs nothing: {worker.fault}", "look into its log")


def faults(offer: Offer) -> Iterator[Fault]:
    """All that is wrong, what matters most first."""
    if not offer.workers:
        yield Fault("problem", "there are no workers", "start some; `batchmill cluster certs DIR` says how")
    yield from version_faults(offer)
    apart = [worker.host for worker in offer.workers if _fact(worker, "shares_folder") is False]
    if apart:
        what = f"the folder {os.getcwd()} is not there, or is another one, on {_listed(apart)}"
        yield Fault("note", what, "mount it there, or say with `cwd` of `cluster` where items run")
    small = [
        w.host for w in offer.workers if w.facts and (_fact(w, "shared_memory") or 0) < LEAST_SHARED_BYTES
    ]
    if small:
        what = f"little or no shared memory in {SHARED_MEMORY} on {_listed(small)}"
        yield Fault("note", what, "give the container more; until then its temporary folder is used")
    if not offer.encrypted:
        what = "it is not encrypted: anyone who reaches its port can read what is sent and run code as you"
        yield Fault("note", what, "start it with certificates: `batchmill cluster certs DIR` says how")
    if offer.expires_days is not None and offer.expires_days < SOON_DAYS:
        what = f"a certificate expires in {offer.expires_days:.1f} days"
        yield Fault("note", what, "make new ones with `batchmill cluster certs DIR` and start it anew")
    older = sorted({v for w in offer.workers if (v := w.packages.get("distributed")) and v != offer.dask})
    if older:
        what = f"distributed is {offer.dask} here and {', '.join(older)} there"
        yield Fault("note", what, "install the same version of it everywhere")


def refuse_wrong_versions(offer: Offer) -> None:
    """Raises :class:`ExecutorUnavailable` where some worker could not run what it would be sent."""
    found = list(version_faults(offer))
    if found:
        told = "; ".join(f"{fault.what} ({fault.remedy})" for fault in found)
        raise ExecutorUnavailable(f"the cluster at {offer.place} cannot run items: {told}")


def rows(offer: Offer) -> Iterator[tuple[str, str]]:
    """The offer in words, each part with its name."""
    how = f"TLS {offer.tls.removeprefix('TLSv')}" if offer.tls else "not encrypted" * (not offer.encrypted)
    reached = offer.place + (f", reached in {offer.reached_ms:.0f} ms" if offer.reached_ms else "")
    valid = "" if offer.expires_days is None else f", certificates for {offer.expires_days:.0f} days yet"
    yield "address", reached + (f", {how}" if how else "") + valid
    yield "workers", f"{count(len(offer.workers), 'worker')}, {count(offer.seats, 'seat')}"
    known = [worker for worker in offer.workers if worker.facts]
    memory = {worker.host: int(worker.facts["memory"]) for worker in known if worker.facts}
    if memory:
        yield "memory", f"{size(sum(memory.values()))} on {count(len(memory), 'machine')}"
    for name, versions in _versions(offer).items():
        yield name, ", ".join(f"{version} on {n}" for version, n in versions.items())
    shared = [worker for worker in known if _fact(worker, "shares_folder") is not None]
    if shared:
        n = sum(bool(_fact(worker, "shares_folder")) for worker in shared)
        yield "folder", f"shared with {n} of {count(len(shared), 'worker')}"


def as_json(offer: Offer) -> dict[str, Any]:
    """All of it as plain data, for programs."""
    return {
        "place": offer.place,
        "reached_ms": round(offer.reached_ms, 1),
        "encrypted": offer.encrypted,
        "tls": offer.tls or None,
        "expires_days": None if offer.expires_days is None else round(offer.expires_days, 1),
        "seats": offer.seats,
        "workers": [
            {
                "address": worker.address,
                "seats": worker.seats,
                "python": worker.python or None,
                "packages": dict(worker.packages),
                **(worker.facts or {}),
                **({"fault": worker.fault} if worker.fault else {}),
            }
            for worker in offer.workers
        ],
        "faults": [fault._asdict() for fault in faults(offer)],
    }


def _versions(offer: Offer) -> dict[str, dict[str, int]]:
    """How many workers have which version of a package."""
    found: dict[str, dict[str, int]] = {}
    for worker in offer.workers:
        listed = {"python": worker.python, **worker.packages}
        for name, version in listed.items():
            if version != "":
                one = found.setdefault(name, {})
                one[version or "none"] = one.get(version or "none", 0) + 1
    return found


def _differing(
    name: str, here: str, there: Mapping[str, str | None], parts: int, remedy: str
) -> Iterator[Fault]:
    """The workers whose version differs from ours in its first ``parts``."""
    others: dict[str, list[str]] = {}
    for host, version in there.items():
        if version is None or _start(version, parts) != _start(here, parts):
            others.setdefault(version or "none", []).append(host)
    if others:
        told = ", ".join(f"{version} on {_listed(hosts)}" for version, hosts in others.items())
        yield Fault("problem", f"{name} is {here} here and {told}", remedy)


def _start(version: str, parts: int) -> str:
    return ".".join(version.split(".")[:parts])


def _listed(hosts: Sequence[str]) -> str:
    names = sorted(set(hosts))
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _fact(worker: OfferedWorker, name: str) -> Any:
    return None if worker.facts is None else worker.facts.get(name)
