"""How the place of a cluster is written, wherever it is: in a document, on a command line, in Python."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from batchmill.errors import InvalidSetting

ADDRESS = r"^(local(:[1-9][0-9]*)?|[a-z][a-z0-9+.-]*://\S+|(?!local:)[^\s:/]+:[0-9]+|\S.*\.json)$"
FORMS = (
    "`local`, `local:N`, `tls://host:port`, `tcp://host:port`, `host:port` or the path of a scheduler file"
)
FUNCTION = r"^[^\s:]+:[^\s:]+$"
KEYS = ("address", "python", "cwd")


def checked_cluster(cluster: Any) -> Any:
    """``cluster`` as it was given. Raises :class:`~batchmill.errors.InvalidSetting` where it is no place."""
    if cluster is None:
        return None
    if isinstance(cluster, str):
        _check_address(cluster)
        return cluster
    if not isinstance(cluster, Mapping):
        raise InvalidSetting(f"`cluster` must be an address or an object, not {cluster!r}")
    if unknown := [key for key in cluster if key not in KEYS]:
        raise InvalidSetting(f"`cluster` has no key {unknown[0]!r}, only {', '.join(KEYS)}")
    python, address = cluster.get("python"), cluster.get("address")
    if (python is None) == (address is None):
        raise InvalidSetting("`cluster` needs exactly one of `address` and `python`")
    if python is None:
        _check_address(address)
    elif not isinstance(python, str) or not re.search(FUNCTION, python):
        raise InvalidSetting(f"`python` of `cluster` is written `module:function`, not {python!r}")
    return cluster


def _check_address(text: Any) -> None:
    if not isinstance(text, str) or not re.search(ADDRESS, text):
        raise InvalidSetting(f"the cluster {text!r} is none of {FORMS}")
