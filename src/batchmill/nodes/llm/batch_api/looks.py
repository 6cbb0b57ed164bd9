"""Poll batches: the progress of each, and the answers of the finished ones."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.clock import Clock, slept
from batchmill.nodes.llm.batch_api.answers import Answers
from batchmill.nodes.llm.batch_api.service import BatchService, status_of
from batchmill.nodes.llm.completion import count_of, mapping_of
from batchmill.nodes.llm.question import Unanswered
from batchmill.record.service_batches import OVER, BatchStore, ServiceBatch

SETTLE_SECONDS = 60.0  # after which a server lists what it was asked to begin
LIST_SECONDS = 5.0  # between two looks at that list
CLOCK_SECONDS = 3600.0  # that the clock of a server may be behind ours
TRIES, TRY_SECONDS = 3, 2.0  # of a question to a server that does not answer
_LOST = (404, 410)
_UNKNOWN = "the run was stopped before it was known whether the server has begun it; `resume` looks for it"
_FILES = ("output_file_id", "error_file_id")


@dataclass(slots=True)
class BatchLook:
    """The state of a batch: in ``words``, whether it is finished (``over``), and its ``answers`` then."""

    words: str
    over: bool = False
    answers: Answers | None = None


class Looks:
    """The states of a run's batches, each polled once. ``why`` says of batches that could not be looked
    at, or whose answers could not be read, what kept us from it. Used on the event loop of services."""

    def __init__(self, store: BatchStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._tasks: dict[int, asyncio.Task[BatchLook | None]] = {}
        self.why: dict[int, str] = {}

    def keep_in(self, store: BatchStore) -> None:
        """Note what is found in another store."""
        self._store = store

    async def at(
        self, batch: int, service: BatchService, stop: CancelToken | None = None
    ) -> BatchLook | None:
        """The progress of the service; None for a batch that it never began, which is then dropped. A search
        for it ends when ``stop`` is cancelled, and goes on when the run is resumed.

        Raises :class:`Unanswered` if the server refuses to say.
        """
        task = self._tasks.get(batch)
        if task is None:
            looking = self._look(batch, service, stop)
            task = self._tasks[batch] = asyncio.get_running_loop().create_task(looking)
        return await asyncio.shield(task)

    async def is_over(self, batch: int, service: BatchService) -> bool:
        """Whether the service is done with a batch, or never began it, by its present answer. Answers to
        requests are not read. Raises :class:`Unanswered`."""
        row = self._row(batch)
        look = None if row is None or row.over else await self._look(batch, service, reads=False)
        return look is None or look.over

    def over(self) -> Iterator[tuple[int, Answers]]:
        """The batches that were looked at and with which the service is done."""
        for batch, task in self._tasks.items():
            look = task.result() if task.done() and not task.cancelled() and not task.exception() else None
            if look is not None and look.answers is not None:
                yield batch, look.answers

    def close(self) -> None:
        """Let go of the files."""
        for _, answers in self.over():
            answers.file.close()

    def _row(self, batch: int) -> ServiceBatch | None:
        return next((one for one in self._store.batches() if one.id == batch), None)

    async def _look(
        self, batch: int, service: BatchService, stop: CancelToken | None = None, *, reads: bool = True
    ) -> BatchLook | None:
        row = self._row(batch)
        if row is None:
            return None
        if row.state == "prepared":  # the process was killed before the server heard of it
            self._store.drop(batch)
            return None
        try:
            told = await self._told(row, service, stop)
            if told is None and stop is not None and stop.cancelled:
                self.why[batch] = _UNKNOWN
                return BatchLook(_UNKNOWN)
            if told is None:
                self._store.drop(batch)
                return None
            look = self._noted(row, told)
            if look.over and reads:
                look.answers = await self._answers(row, told, service)
            self.why.pop(batch, None)
            return look
        except Unanswered as unanswered:
            if not _is_trouble(unanswered):
                raise
            self.why[batch] = str(unanswered)
            return BatchLook(f"its batch {row.remote or row.token} cannot be looked at now: {unanswered}")

    async def _told(
        self, row: ServiceBatch, service: BatchService, stop: CancelToken | None
    ) -> dict[str, object] | None:
        """The server's description of a batch; None for one that it does not know and never began, or that
        was not found before ``stop``."""
        if not row.remote:
            told = await self._searched(row, service, stop)
            if told is not None:
                self._store.note(row.id, "open", remote=str(told["id"]), status=str(told.get("status") or ""))
            return told
        for left in reversed(range(TRIES)):
            try:
                return await service.retrieve(row.remote)
            except Unanswered as unanswered:
                if status_of(unanswered) == 404:
                    return {"id": row.remote, "status": "gone"}
                if not left or not _is_trouble(unanswered):
                    raise
                await slept(self._clock, TRY_SECONDS, stop)
        return None

    async def _searched(
        self, row: ServiceBatch, service: BatchService, stop: CancelToken | None
    ) -> dict[str, object] | None:
        """Search for a batch that may or may not have begun, until the server must have listed it, or until
        ``stop``."""
        while True:
            told = await service.find(row.token, row.made_at - CLOCK_SECONDS)
            left = row.sent_at + SETTLE_SECONDS - self._clock.time()
            if told is not None or left <= 0 or (stop is not None and stop.cancelled):
                return told
            await slept(self._clock, min(left, LIST_SECONDS), stop)

    def _noted(self, row: ServiceBatch, told: dict[str, object]) -> BatchLook:
        """The progress of the service, which is also stored."""
        remote, status = str(told["id"]), str(told.get("status") or "unknown")
        counts = mapping_of(told.get("request_counts"))
        answered = sum(count_of(counts.get(name)) or 0 for name in ("completed", "failed"))
        over = status in OVER
        self._store.note(row.id, "over" if over else "open", remote=remote, status=status, answered=answered)
        how_far = "" if over else f": {answered:,} of {row.count:,} requests answered"
        return BatchLook(f"its batch {remote} is {status}{how_far}", over)

    async def _answers(self, row: ServiceBatch, told: dict[str, object], service: BatchService) -> Answers:
        answers = Answers(row.token, told)
        try:
            for name in _FILES:
                if isinstance(file := told.get(name), str) and file:
                    await self._download(file, answers, service)
            answers.index()
        except BaseException:
            answers.file.close()
            raise
        return answers

    async def _download(self, file: str, answers: Answers, service: BatchService) -> None:
        """Add a file to the ``answers``; one that the server has lost stays missing for good."""
        try:
            await service.download(file, answers.file)
        except Unanswered as unanswered:
            if status_of(unanswered) not in _LOST:
                raise
            answers.lost.append(file)


def _is_trouble(unanswered: Unanswered) -> bool:
    """Whether another question may be answered: the server is busy, or cannot be reached."""
    return bool(getattr(unanswered.error, "retryable", True))
