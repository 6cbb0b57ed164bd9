"""Batches of requests that a service answers later: what a run has to remember of each, and who remembers.

prepared   its requests are known here, and nothing of it is anywhere else
sent       the service was asked to begin it: whether it did is known once it answers, or lists it
open       the service has begun it, under the id ``remote``
over       the service is done with it; what it says of single requests can be had there
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

BatchState = Literal["prepared", "sent", "open", "over"]
OVER = frozenset({"completed", "failed", "expired", "cancelled", "gone"})
"""What services call a batch with which they are done; ``gone`` is one that they do not know any more."""


@dataclass(frozen=True, slots=True)
class ServiceBatch:
    """A batch. ``token`` is ours and no other's, ``remote`` the service's id, empty until it is known.
    ``server`` is the address of the service, empty for OpenAI's own; no credential is among it. ``status``
    is what the service called it last and ``answered`` how many of its ``count`` requests had been answered
    then. Times are seconds since the epoch."""

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

    @property
    def over(self) -> bool:
        """Whether the service is done with it."""
        return self.state == "over"


class ServiceRequest(NamedTuple):
    """A request in a batch. ``place`` is its number there, ``digest`` tells it from requests of any other
    content."""

    id: int
    batch: int
    place: int
    digest: str


class BatchStore(Protocol):
    """Keeps the batches of one run. What a method has been told is on the disk when it returns.

    Concurrency: any thread may call any method.
    """

    def batches(self) -> list[ServiceBatch]:
        """Those with requests that no item has used up, the oldest first."""

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
        """Those of a batch that no item has used up."""

    def settle(self, requests: Sequence[int]) -> None:
        """Items have come to their ends with the answers to these: nobody is given them again."""
