"""The place of a cluster is an address or a function, and not both."""

from __future__ import annotations

from collections.abc import Iterator

from batchmill.ir.faults import Fault


def cluster_faults(cluster: object) -> Iterator[Fault]:
    """Faults of keys of ``cluster`` that do not fit together."""
    if isinstance(cluster, dict) and ("address" in cluster) == ("python" in cluster):
        hint = "remove one of them" if "address" in cluster else 'such as `"address": "local"`'
        yield Fault(("cluster",), "needs exactly one of `address` and `python`", hint)
