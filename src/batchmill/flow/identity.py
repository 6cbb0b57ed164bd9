"""The identity of a run of a flow in a journal: what is saved of it, and how a later run finds it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from batchmill.flow.branches import starts
from batchmill.flow.content import reachable, store_digest
from batchmill.journal.contract import FLOW, RunRecord
from batchmill.journal.encoding import NOT_JSON
from batchmill.record import LLM_CALLS_KEY
from batchmill.values import is_exact
from batchmill.values.masking import Masker
from batchmill.values.told_secrets import tells

LARGEST_STORE = 8 << 20  # characters; a larger one is not kept, and its run is resumed by its script only
NOT_CONTENT = frozenset({LLM_CALLS_KEY})


def is_same(run: RunRecord, record: RunRecord, left: str | None) -> bool:
    """Whether to continue a run: it belongs to the same flow, is unfinished, and has that name or that store.
    ``left`` is the digest of the store when the run failed in this process."""
    then, now = run.settings.get(FLOW), record.settings[FLOW]
    if run.finished or not isinstance(then, Mapping):
        return False
    if (run.source, run.folder, then.get("is")) != (record.source, record.folder, now["is"]):
        return False
    if run.label or record.label:
        return run.label == record.label
    return now["store"] in (then.get("store"), left)


def record_of(flow: object, shared: Any, name: str | None, masker: Masker) -> RunRecord:
    """The record of a run of a flow for the journal."""
    store = dict(shared) if is_store(shared) else None
    kept = {key: one for key, one in (store or {}).items() if key not in NOT_CONTENT}
    whole = store is not None and _fits(kept) and masker.value(kept) == kept
    told = {
        "is": _label(flow),
        "named": importable(flow),
        "store": store_digest(shared, NOT_CONTENT),
        "whole": whole,
        "command": [sys.executable, *sys.argv] if sys.argv and sys.argv[0] else [],
    }
    return RunRecord(_source(flow), os.getcwd(), {}, kept if whole else {}, {FLOW: told, **named(name)})


def masker_of(shared: Any) -> Masker:
    """Masks values of the store, or of environment variables, whose names suggest a secret."""
    masker = Masker()
    for told, values in (("the store's", shared), ("the variable", os.environ)):
        for key, value in values.items() if is_store(values) else ():
            if isinstance(value, str) and tells(str(key)):
                masker.add(value, f"{told} {key}")
    return masker


def named(name: str | None) -> dict[str, Any]:
    return {} if name is None else {"name": name}


def is_store(shared: object) -> bool:
    return isinstance(shared, Mapping)


def _fits(store: Mapping[str, object]) -> bool:
    """Whether a store can be saved unchanged."""
    try:
        return is_exact(dict(store)) and len(json.dumps(dict(store))) <= LARGEST_STORE
    except NOT_JSON:
        return False


def _label(flow: object) -> str:
    """The identity of a flow: its class, and the classes it begins with."""
    begins = starts(getattr(flow, "start_node", None))
    inside = f"({', '.join(type(one).__name__ for one in begins)})" if begins else ""
    return f"{type(flow).__qualname__}{inside}"


def _source(flow: object) -> str:
    """The file that the flow's own classes are from."""
    begins = starts(getattr(flow, "start_node", None))
    for one in (flow, *begins):
        module = sys.modules.get(type(one).__module__)
        file = getattr(module, "__file__", None)
        if file and not type(one).__module__.startswith("batchmill."):
            return os.path.abspath(str(file))
    return _label(flow)


def importable(flow: object) -> str | None:
    """``module:name`` of a flow at the top level of a module, else None. For a flow in the running script,
    ``path/of/script.py:name``."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("batchmill", "builtins") or not hasattr(module, "__dict__"):
            continue
        for attribute, value in list(vars(module).items()):
            if value is flow and attribute.isidentifier() and not attribute.startswith("_"):
                file = getattr(module, "__file__", None)
                if name == "__main__":
                    return f"{os.path.abspath(file)}:{attribute}" if file else None
                return f"{name}:{attribute}"
    return None


def nodes_of(flow: object) -> list[Any]:
    return reachable(getattr(flow, "start_node", None))
