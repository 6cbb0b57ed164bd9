"""The files and batches of a server that speaks OpenAI's interface, through its SDK."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import IO, Any

from batchmill.errors import NodeError
from batchmill.nodes.access.policy import Access
from batchmill.nodes.llm.clients import client_for, leaving_now, sdk_awaited
from batchmill.nodes.llm.faults import CutOff, Moved, unanswered
from batchmill.nodes.llm.question import Unanswered
from batchmill.nodes.llm.server import pieces_of

SECONDS = 600.0  # for one request, such as the upload of a file
LISTED = 100  # batches in one answer
METADATA = "batchmill"  # under which a batch has our token


class BatchService:
    """Sends ``key`` to ``base_url``, OpenAI's own if None, within ``access``.

    Every method raises :class:`~batchmill.nodes.llm.question.Unanswered`.
    """

    def __init__(self, base_url: str | None, key: str, access: Access) -> None:
        self.base_url = base_url
        self._access = access
        self._key = key

    @property
    def known_by(self) -> str:
        """An identity for each server and key; it reveals nothing about the key."""
        return hashlib.sha256(f"{self.base_url}\n{self._key}".encode()).hexdigest()

    async def upload(self, name: str, file: IO[bytes]) -> str:
        """The id of a file of requests."""
        async with self._client() as client:
            made = await client.files.create(file=(name, file), purpose="batch", timeout=SECONDS)
        return str(made.id)

    async def create(
        self, file: str, endpoint: str, window: str, token: str, metadata: Mapping[str, str]
    ) -> dict[str, Any]:
        """Begin a batch of the requests in a file. A second request with the same token means the
        same batch."""
        async with self._client() as client:
            made = await client.batches.create(
                input_file_id=file,
                endpoint=endpoint,
                completion_window=window,
                metadata={METADATA: token, **metadata},
                extra_headers={"Idempotency-Key": token},
                timeout=SECONDS,
            )
        return _plain(made)

    async def retrieve(self, batch: str) -> dict[str, Any]:
        """The server's description of a batch."""
        async with self._client() as client:
            return _plain(await client.batches.retrieve(batch, timeout=SECONDS))

    async def find(self, token: str, since: float) -> dict[str, Any] | None:
        """The batch with our token among those made since then (seconds since the epoch); None without."""
        async with self._client() as client:
            async for one in client.batches.list(limit=LISTED, timeout=SECONDS):
                told = _plain(one)
                if (told.get("metadata") or {}).get(METADATA) == token:
                    return told
                if isinstance(made := told.get("created_at"), (int, float)) and made < since:
                    return None
        return None

    async def download(self, file: str, into: IO[bytes]) -> None:
        """Add the content of a file to ``into``."""
        async with (
            self._client() as client,
            client.files.with_streaming_response.content(file, timeout=SECONDS) as answer,
            aclosing(pieces_of(answer)) as pieces,
        ):
            async for piece in pieces:
                into.write(piece)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Any]:
        module = await sdk_awaited()
        leaving_now.set(lambda: None)  # nothing is paid for asking
        asked = client_for(module, self.base_url, self._key, self._access)
        client, place = asked.begin()
        try:
            yield client
        except (module.OpenAIError, Moved, CutOff) as error:
            raise unanswered(module, error, self._key) from error
        finally:
            asked.end(place)


def _plain(answer: Any) -> dict[str, Any]:
    told: dict[str, Any] = answer.to_dict()
    return told


def status_of(error: Unanswered) -> int | None:
    """The HTTP status with which a server refused; None without an answer."""
    found = error.error.outputs.get("status_code") if isinstance(error.error, NodeError) else None
    return found if isinstance(found, int) else None


def may_have_begun(error: Unanswered) -> bool:
    """Whether a server may have done what it answered with an error: a gateway gives up on a server that
    works on, and a server may fail after the deed."""
    status = status_of(error)
    return status is not None and (status >= 500 or status == 409)
