"""Requests gathered for a batch, in a file within the limits of the server."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from batchmill.errors import NodeError
from batchmill.nodes.llm.batch_api.service import BatchService
from batchmill.nodes.llm.batch_api.settings import BatchApi

DIGEST_SHOWN = 24  # characters of a digest in the id of a request


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for the ``model`` of a ``service``: the ``body`` of a call of ``endpoint``, for the item
    ``index`` of the node ``node``. ``digest`` differs for any other content. ``bill`` makes the record of the
    call from the server's answer, for an answer that no item takes."""

    service: BatchService
    endpoint: str
    model: str
    body: Mapping[str, Any]
    digest: str
    node: str
    index: int | None
    settings: BatchApi
    bill: Callable[[bytes], Any]

    @property
    def kind(self) -> tuple[Any, ...]:
        """Requests of one kind may be in one batch: servers want one model and one interface in each."""
        return self.service.known_by, self.endpoint, self.model, self.settings


def custom_id(digest: str, place: int) -> str:
    """The name of the request for the server."""
    return f"{digest[:DIGEST_SHOWN]}-{place}"


def _file() -> IO[bytes]:
    return tempfile.TemporaryFile(prefix="batchmill-requests-")


@dataclass(slots=True)
class Shard:
    """The requests of one future batch. ``first`` is one of them, which shows what they share; ``uploaded``
    is the server's id of the file once it has it; ``failed_at`` is the second of the clock at which its
    submission failed first."""

    first: Asked
    digests: list[str] = field(default_factory=list)
    size: int = 0
    file: IO[bytes] = field(default_factory=_file)
    uploaded: str = ""
    failed_at: float | None = None

    def add(self, asked: Asked) -> bool:
        """Take in a request; False where there is no room for it."""
        settings = self.first.settings
        line = line_of(asked, len(self.digests))
        if self.digests and (
            len(self.digests) >= settings.max_requests or self.size + len(line) > settings.max_bytes
        ):
            return False
        if len(line) > settings.max_bytes:
            message = (
                f"the request has {len(line):,} bytes; a file of the batch API has {settings.max_bytes:,}"
            )
            raise NodeError(message, retryable=False, type_name="TooLarge", outputs={"error": message})
        self.file.write(line)
        self.size += len(line)
        self.digests.append(asked.digest)
        return True


def line_of(asked: Asked, place: int) -> bytes:
    """The request as a line of the file."""
    told = {
        "custom_id": custom_id(asked.digest, place),
        "method": "POST",
        "url": asked.endpoint,
        "body": asked.body,
    }
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


class Gathered:
    """Shards that are being filled, by kind. Used by one thread."""

    def __init__(self) -> None:
        self._filling: dict[tuple[object, ...], Shard] = {}
        self._full: list[Shard] = []
        self.count = 0

    def add(self, asked: Asked) -> None:
        """Take in a request. Raises :class:`NodeError` for one that fits into no file."""
        shard = self._filling.get(asked.kind)
        if shard is None:
            shard = Shard(asked)
            shard.add(asked)
            self._filling[asked.kind] = shard
        elif not shard.add(asked):
            self._full.append(shard)
            del self._filling[asked.kind]
            self.add(asked)
            return
        self.count += 1

    def take(self) -> list[Shard]:
        """All of them; there is nothing gathered any more."""
        shards, self._full, self._filling, self.count = [*self._full, *self._filling.values()], [], {}, 0
        return shards
