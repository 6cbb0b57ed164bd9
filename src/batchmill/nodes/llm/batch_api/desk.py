"""The desk that submits requests to a service in batches and gives out their answers.

    attempt --ask--> desk: a batch has this request     -> its answer, or Waiting
                           no batch has it: it is gathered -> Waiting
    run, once nothing more can be done --submit--> desk: all gathered requests, in batches

A request is identified by its content. So an attempt that runs again, in a later pass of the run, asks the
same and gets the answer, whatever came before in that attempt: unusable answers, other models. The answer is
used up only when its item has ended; a failed item is then asked for again.

The store knows a batch, with all its requests, before the server does. If it is unknown whether the server
has begun a batch, the desk searches for it there by its token, and waits while it may not be listed so far.
So a process that is killed at any moment makes no batch twice.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.clock import SYSTEM_CLOCK, Clock, slept
from batchmill.concurrency.event_loop import run_coroutine
from batchmill.errors import BatchmillError, NodeError, Waiting
from batchmill.nodes.llm.batch_api.answers import BatchAnswer
from batchmill.nodes.llm.batch_api.looks import SETTLE_SECONDS, Looks
from batchmill.nodes.llm.batch_api.service import may_have_begun
from batchmill.nodes.llm.batch_api.shards import Asked, Gathered, Shard, custom_id
from batchmill.nodes.llm.question import Unanswered
from batchmill.outcome import NO_REFUSALS, ErrorInfo
from batchmill.policy import RetryPolicy
from batchmill.record.service_batches import BatchStore, ServiceBatch, ServiceRequest

SUBMITTING = RetryPolicy(3, wait=0.5, backoff=2.0, refused_for=300.0)  # retries of a submission
Place = tuple[str, int | None]


@dataclass(slots=True)
class _Claim:
    """A request that an item has taken; ``answered`` says that the item got the answer."""

    request: ServiceRequest
    answered: bool = False


class BatchDesk:
    """See the module. ``run`` is the name of the run, ``store`` saves its batches. ``failed``, if given,
    takes the requests whose answers made items fail, and they are not used up. ``goes_on`` says that this
    pass automatically continues the last one, which submitted requests.

    Concurrency: ``answer`` is awaited on the event loop of the process that calls services; any thread may
    call the other methods, ``submit`` and those after it once no item runs any more. ``_lock`` guards
    ``_taken``, ``_claims`` and ``_ended``.
    """

    def __init__(
        self,
        store: BatchStore,
        run: str,
        clock: Clock = SYSTEM_CLOCK,
        failed: list[int] | None = None,
        *,
        goes_on: bool = False,
    ) -> None:
        self.goes_on = goes_on
        self._failed = failed
        self._store = store
        self._run = run
        self._clock = clock
        self._gathered = Gathered()
        self._looks = Looks(store, clock)
        self._lock = threading.Lock()
        self._taken: set[int] = set()
        self._claims: dict[Place, list[_Claim]] = {}
        self._ended: list[_Claim] = []  # of items that have come to their ends
        self._waiting: dict[int, int] = {}  # requests of items that wait, by batch
        self._asked: dict[int, Asked] = {}  # one request of each batch

    def keep_in(self, store: BatchStore) -> None:
        """Keep what is found in another store of the same run, as the one before is closed."""
        self._store = store
        self._looks.keep_in(store)

    def close(self) -> None:
        """Let go of all files."""
        self._looks.close()
        for shard in self._gathered.take():
            shard.file.close()

    def __deepcopy__(self, memo: dict[int, object]) -> BatchDesk:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return _nothing, ()  # in a worker process there is none

    async def answer(self, asked: Asked) -> BatchAnswer:
        """The answer to a request. Raises :class:`Waiting` while there is none."""
        while (claim := self._claimed(asked)) is not None:
            number = claim.request.batch
            self._asked.setdefault(number, asked)
            look = await self._looks.at(number, asked.service)
            if look is None:  # the server has never begun it
                self._forget(asked, claim)
                continue
            if look.answers is None:
                self._waiting[number] = self._waiting.get(number, 0) + 1
                raise Waiting(look.words)
            claim.answered = True
            return look.answers.of(custom_id(asked.digest, claim.request.place))
        self._gathered.add(asked)
        raise Waiting("its request goes to the service with others")

    def booked(self, digest: str) -> bool:
        """Whether a batch has a request of that content that no item has taken."""
        found = self._store.open_requests(digest)
        with self._lock:
            return any(one.id not in self._taken for one in found)

    def _claimed(self, asked: Asked) -> _Claim | None:
        """A request of that content for this item that no other item has taken."""
        found = self._store.open_requests(asked.digest)
        with self._lock:
            for request in found:
                if request.id not in self._taken:
                    self._taken.add(request.id)
                    claim = _Claim(request)
                    self._claims.setdefault((asked.node, asked.index), []).append(claim)
                    return claim
        return None

    def _forget(self, asked: Asked, claim: _Claim) -> None:
        with self._lock:
            self._claims[asked.node, asked.index].remove(claim)

    def ended(self, node: str, indices: Iterable[int | None], *, failed: bool = False) -> None:
        """These items have come to their ends, as failures or with results."""
        with self._lock:
            for index in indices:
                claims = [one for one in self._claims.pop((node, index), ()) if one.answered]
                if failed and self._failed is not None:
                    self._failed += [one.request.id for one in claims]
                else:
                    self._ended += claims

    def settle(self) -> None:
        """The answers that were given to items which have come to their ends are used up. Called once what
        became of those is on the disk."""
        with self._lock:
            ended, self._ended = self._ended, []
        self._store.settle([claim.request.id for claim in ended])

    @property
    def gathered(self) -> int:
        """How many requests wait to be submitted."""
        return self._gathered.count

    def waiting(self) -> list[ServiceBatch]:
        """The batches that items wait for; ``why`` says what keeps us from their answers."""
        found = [one for one in self._store.batches() if one.id in self._waiting]
        return [replace(one, why=self._looks.why.get(one.id, "")) for one in found]

    def submit(
        self, cancel: CancelToken, stop: CancelToken, told: Callable[[str], object] = lambda words: None
    ) -> None:
        """Submit the gathered requests to the servers. A server that refuses or fails is asked again, until
        ``stop`` is cancelled, and ``told`` hears of it. Raises :class:`BatchmillError`; requests that could
        not be submitted are dropped, and the next pass makes them again."""
        if self._gathered.count:
            run_coroutine(lambda: self._submit(stop, told), cancel)

    async def _submit(self, stop: CancelToken, told: Callable[[str], object]) -> None:
        fault: BatchmillError | None = None
        for shard in self._gathered.take():
            try:
                if fault is None:
                    await self._patiently(shard, stop, told)
            except Unanswered as unanswered:
                fault = unanswered.error
            finally:
                shard.file.close()
        if fault is not None:
            raise _of_submission(fault)

    async def _patiently(self, shard: Shard, stop: CancelToken, told: Callable[[str], object]) -> None:
        """Submit a shard, again after failures that may pass. Each of these has left no batch behind. The
        time for refusals counts from the first failure on, searches for batches that may have begun included.
        """
        attempts, refusals = 0, NO_REFUSALS
        while True:
            attempts += 1
            try:
                return await self._submitted(shard, stop, told)
            except Unanswered as unanswered:
                seconds = max(refusals.seconds, self._since_failure(shard))
                before = refusals._replace(seconds=seconds)
                decision = SUBMITTING.decide(attempts, _info(unanswered.error), before=before)
                if not decision.retry or stop.cancelled:
                    raise
                told(f"{_of_submission(unanswered.error)}; it is tried again in {decision.after:.1f} s")
            refusals = decision.refusals
            await slept(self._clock, decision.after, stop)

    def _since_failure(self, shard: Shard) -> float:
        """Seconds since the first failure of a submission; this may be that."""
        if shard.failed_at is None:
            shard.failed_at = self._clock.monotonic()
        return self._clock.monotonic() - shard.failed_at

    async def _submitted(self, shard: Shard, stop: CancelToken, told: Callable[[str], object]) -> None:
        first, count, now = shard.first, len(shard.digests), self._clock.time()
        token, service = secrets.token_hex(12), first.service
        batch = ServiceBatch(
            0, token, service.base_url or "", first.endpoint, first.model, count, made_at=now
        )
        number = self._store.prepare(batch, shard.digests)
        try:
            if not shard.uploaded:
                shard.file.seek(0)
                name = f"batchmill-{self._run}-{token}.jsonl"
                shard.uploaded = await service.upload(name, shard.file)
        except BaseException:
            self._store.drop(number)
            raise
        self._store.note(number, "sent", sent_at=self._clock.time())
        window, about = first.settings.completion_window, {"run": self._run, "node": first.node[:500]}
        try:
            made = await service.create(shard.uploaded, first.endpoint, window, token, about)
        except Unanswered as unanswered:
            if not unanswered.paid and not may_have_begun(unanswered):
                self._store.drop(number)
                raise
            self._since_failure(shard)
            told(
                f"it is not known whether the server has begun a batch ({unanswered}); its list is searched "
                f"for up to {SETTLE_SECONDS:.0f} s"
            )
            look = await self._looks.at(number, service, stop)
            if look is None:
                raise
        else:
            self._store.note(number, "open", remote=str(made["id"]), status=str(made.get("status") or ""))
        self._asked[number], self._waiting[number] = first, count

    def left(self) -> list[Any]:
        """Records of the calls of ended batches whose answers no item has taken in this pass, because items
        were edited or are gone: they are paid all the same."""
        found = []
        for number, look in self._looks.over():
            asked = self._asked.get(number)
            if asked is None:
                continue
            for request in self._store.requests_of(number):
                if request.id in self._taken:
                    continue
                answer = look.of(custom_id(request.digest, request.place))
                if answer.status == 200:
                    found.append(replace(asked.bill(answer.body), id=answer.call))
        return found

    def look_again(self, cancel: CancelToken) -> bool:
        """Whether all batches that items wait for have ended by now, according to their servers. Raises
        :class:`BatchmillError` if one refuses to say, and :class:`Stopped` at ``cancel``."""
        return run_coroutine(self._look_again, cancel)

    async def _look_again(self) -> bool:
        try:
            found = [await self._looks.is_over(one, self._asked[one].service) for one in self._waiting]
        except Unanswered as unanswered:
            raise unanswered.error from unanswered
        return all(found)


def _nothing() -> None:
    return None


def _info(fault: BatchmillError) -> ErrorInfo:
    """What the decision about a retry depends on."""
    if isinstance(fault, NodeError):
        return ErrorInfo.of_node(fault, fault.message)
    return ErrorInfo(type(fault).__name__, str(fault))


def _of_submission(fault: BatchmillError) -> BatchmillError:
    message = f"a batch could not be submitted: {fault}"
    if not isinstance(fault, NodeError):
        return NodeError(message, type_name=type(fault).__name__, outputs={"error": message})
    return NodeError(
        message, retryable=fault.retryable, type_name=fault.type_name, outputs={"error": message}
    )
