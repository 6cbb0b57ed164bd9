"""Batches of requests that a service answers later: the data that a run must remember of each, and its store.

prepared   its requests are known only here
sent       the service was asked to begin it: its answer, or its list, will say whether it did
open       the service has begun it, under the id ``remote``
over       the service is done with it; its answers to single requests can be fetched there
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

BatchState = Literal["prepared", "sent", "open", "over"]
OVER = frozenset({"completed", "failed", "expired", "cancelled", "gone"})
"""The words of services for a batch that they are done with; ``gone`` is one that they no longer know."""


@dataclass(frozen=True, slots=True)
class ServiceBatch:
    """A batch. ``token`` is ours and unique, ``remote`` the service's id, empty until it is known. ``server``
    is the address of the service, empty for OpenAI's own, without credentials. ``status`` is the last one
    that the service reported, and ``answered`` the number of its ``count`` requests that were answered then.
    Times are seconds since the epoch. ``why`` says what keeps this process from the service's answers; it is
    not stored."""

    id: int
    token: str
    server: str
    endpoint: str
    model: str
    count: int
    state: BatchState = "prepared"
    remote: str = ""
    status: str = ""
    answered: int = 0
    made_at: float = 0.0
    sent_at: float = 0.0
    why: str = ""

    @property
    def over(self) -> bool:
        """Whether the service is done with it."""
        return self.state == "over"


class ServiceRequest(NamedTuple):
    """A request in a batch. ``place`` is its number there, ``digest`` identifies its content."""

    id: int
    batch: int
    place: int
    digest: str


class BatchStore(Protocol):
    """Keeps the batches of one run. When a method returns, its data is on disk.

    Concurrency: any thread may call any method.
    """

    def batches(self) -> list[ServiceBatch]:
        """The batches with requests that no item has used up, the oldest first."""

    def prepare(self, batch: ServiceBatch, digests: Sequence[str]) -> int:
        """Enter a batch with its requests, in their order; its id here."""

    def note(self, batch: int, state: BatchState, *, remote: str = "", status: str = "", **at: float) -> None:
        """Enter what became of a batch; ``at`` may have ``sent_at`` and ``answered``. An empty ``remote``
        leaves the one that is known."""

    def drop(self, batch: int) -> None:
        """Forget a batch that the service never began."""

    def open_requests(self, digest: str) -> list[ServiceRequest]:
        """The requests with that content that no item has used up, the oldest first."""

    def requests_of(self, batch: int) -> list[ServiceRequest]:
        """The requests of a batch that no item has used up."""

    def settle(self, requests: Sequence[int]) -> None:
        """Items have ended with the answers to these requests: do not hand them out again."""
