"""How the place of a cluster is written, wherever it is: in a document, on a command line, in Python."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from batchmill.errors import InvalidSetting

ADDRESS = r"^(local(:[1-9][0-9]*)?|[a-z][a-z0-9+.-]*://\S+|(?!local:)[^\s:/]+:[0-9]+|\S.*\.json)$"
FORMS = (
    "`local`, `local:N`, `tls://host:port`, `tcp://host:port`, `host:port` or the path of a scheduler file"
)
FUNCTION = r"^[^\s:]+:[^\s:]+$"
VARIABLE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
KEYS = ("address", "python", "cwd", "env", "insecure")


def written_cluster(text: str | None) -> str | dict[str, Any] | None:
    """A place as written where there is only text: an address, or an object in JSON; None for an empty text.
    Raises :class:`~batchmill.errors.InvalidSetting` for invalid JSON."""
    if text is None or not text.lstrip().startswith("{"):
        return text or None
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError as fault:
        raise InvalidSetting(f"the cluster {text!r} is no JSON: {fault}") from fault
    return found


def checked_cluster(cluster: object) -> Any:
    """Return ``cluster``. Raises :class:`~batchmill.errors.InvalidSetting` if it is not a place."""
    if cluster is None:
        return None
    if isinstance(cluster, str):
        _check_address(cluster)
        return cluster
    if not isinstance(cluster, Mapping):
        raise InvalidSetting(f"`cluster` must be an address or an object, not {cluster!r}")
    if unknown := [key for key in cluster if key not in KEYS]:
        raise InvalidSetting(f"`cluster` has no key {unknown[0]!r}, only {', '.join(KEYS)}")
    if type(cluster.get("insecure", False)) is not bool:
        raise InvalidSetting(f"`insecure` of `cluster` is true or false, not {cluster['insecure']!r}")
    _check_env(cluster.get("env"))
    python, address = cluster.get("python"), cluster.get("address")
    if (python is None) == (address is None):
        raise InvalidSetting("`cluster` needs exactly one of `address` and `python`")
    if python is None:
        _check_address(address)
    elif not isinstance(python, str) or not re.search(FUNCTION, python):
        raise InvalidSetting(f"`python` of `cluster` is written `module:function`, not {python!r}")
    return cluster


def variables_of(cluster: Any) -> tuple[str, ...]:
    """The names of the variables of this process's environment that ``cluster`` gives to items."""
    return tuple(cluster.get("env") or ()) if isinstance(cluster, Mapping) else ()


def _check_env(names: Any) -> None:
    if names is None:
        return
    if not isinstance(names, (list, tuple)):
        raise InvalidSetting(f"`env` of `cluster` is a list of names of variables, not {names!r}")
    for name in names:
        if not isinstance(name, str) or not re.search(VARIABLE_NAME, name):
            raise InvalidSetting(f"`env` of `cluster` has {name!r}, which is not the name of a variable")


def _check_address(text: object) -> None:
    if not isinstance(text, str) or not re.search(ADDRESS, text):
        raise InvalidSetting(f"the cluster {text!r} is none of {FORMS}")
