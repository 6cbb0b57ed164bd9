"""The param ``batch_api``: whether requests go through the batch API of a server, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from batchmill.errors import InvalidParams

MOST_REQUESTS = 50_000
MOST_BYTES = 200_000_000


@dataclass(frozen=True, slots=True)
class BatchApi:
    """``completion_window`` is passed to the server, ``max_requests`` and ``max_bytes`` limit the file of a
    batch, ``price`` is the fraction of the ordinary price that a request costs."""

    completion_window: str = "24h"
    max_requests: int = MOST_REQUESTS
    max_bytes: int = MOST_BYTES
    price: float = 0.5

    @classmethod
    def of(cls, given: object) -> BatchApi | None:
        """The settings in the param, None if requests are made one by one. Raises :class:`InvalidParams`."""
        for fault in batch_api_faults(given):
            raise InvalidParams(f"llm: `batch_api` {fault}")
        if isinstance(given, Mapping):
            return cls(**given)
        return cls() if given else None


def batch_api_faults(given: object) -> Iterator[str]:
    """The faults of the param as written or resolved; templates are skipped."""
    if not isinstance(given, Mapping):
        return
    known = {field.name: str(field.type) for field in fields(BatchApi)}
    for key, value in given.items():
        if key not in known:
            yield f"has the key {key!r}; it may have {', '.join(f'`{name}`' for name in known)}"
        elif isinstance(value, str) and "${" in value:
            continue
        elif known[key] == "str":
            if not isinstance(value, str) or not value:
                yield f"has {value!r} for `{key}`, which is a text such as '24h'"
        elif not isinstance(value, (int, float)) or isinstance(value, bool):
            yield f"has {value!r} for `{key}`, which is a number"
        elif value < 0 or (key != "price" and (value < 1 or not isinstance(value, int))):
            yield f"has {value!r} for `{key}`, which is " + ("0 or more" if key == "price" else "1 or more")


def price_of(params: Mapping[str, object]) -> float:
    """The part of the ordinary price that a call with these (resolved, unchecked) params costs."""
    given = params.get("batch_api")
    if isinstance(given, Mapping):
        price = given.get("price", BatchApi().price)
        return float(price) if isinstance(price, (int, float)) else 1.0
    return BatchApi().price if given is True else 1.0
