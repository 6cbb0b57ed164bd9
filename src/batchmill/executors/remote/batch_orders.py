"""The orders of one batch on a cluster: sends chunks over a carrier, and settles the replies."""

from __future__ import annotations

import contextlib
import pickle
import secrets
import threading
import time
from collections.abc import Callable
from functools import partial

from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import ClusterLost, ExecutorUnavailable, InternalError
from batchmill.executors.contract import Channel, Chunk, ExecutorSettings, WorkerDeath
from batchmill.executors.dispatch.chunk_sizes import ChunkSizer, Paces
from batchmill.executors.dispatch.settling import ChunkSettler
from batchmill.executors.pickling import pickler
from batchmill.executors.process.logs import handle
from batchmill.executors.process.sealing import sealed_error
from batchmill.executors.remote.arrived import blocks_of, rest_of
from batchmill.executors.remote.contract import WIRE, Carrier, End, Gone, Lost, Order, Reply, Ticket
from batchmill.executors.remote.jobs import PackedBatch, check_items, guarded, packed_items
from batchmill.executors.remote.lanes import Lanes, Stint
from batchmill.executors.remote.losses import Losses
from batchmill.executors.running.attempts import Job, lost_attempt
from batchmill.outcome import ErrorInfo

# An order takes scheduler, worker and parent 13 ms of CPU in all while the cores are busy, and its seat idles
# for 10 to 20 ms if no other order waits there.
CHUNK_SECONDS = 0.6
LEAST_SECONDS = 0.1
SHARES = 1.25  # an agent hands in an order that takes too long, so few of them are small
SHORT_SECONDS = 0.5
MOST_BYTES = 4 << 20  # Dask warns of 10 MB
MOST_PER_CHUNK = 16_384
WARM_SEATS = 16  # at most, before items whose starts are limited
PATIENCE_SECONDS = 0.5  # at least, after which an agent hands in what it has
OPENED_BYTES = 64 << 10  # of plain items, by agents: more is quicker to pass on than to unpickle
SMALL_JOB_BYTES = 32 << 10  # what travels with every order
CLOSE_SECONDS = 1.0
CANCEL_SECONDS = 2.0  # that agents have to end what runs, before nobody waits for them any more

_paces = Paces()


class BatchOrders:
    """Sends and settles the orders of one batch; see the module.

    Concurrency: a thread of its own takes and sends, the carrier's threads settle, and the threads that stop,
    cancel or close the batch call in. ``_changed`` guards ``_out``, ``_tickets``, ``_busy``, ``_sent``,
    ``_losses``, ``_known``, ``_unable`` and ``_over``.
    """

    def __init__(
        self,
        job: Job,
        packed: PackedBatch,
        carrier: Carrier,
        channel: Channel,
        settings: ExecutorSettings,
        cancel: CancelToken,
    ) -> None:
        self._packed = packed
        self._batch = secrets.token_hex(8)
        self._job = job
        self._carrier = carrier
        self._channel = channel
        self._guarded = guarded(carrier, settings)
        self._most = settings.max_concurrent
        self._changed = threading.Condition()
        self._unable: set[str] = set()  # workers that run nothing of this batch
        self._sizer = ChunkSizer(
            self._seats(),
            CHUNK_SECONDS,
            MOST_PER_CHUNK,
            settings.chunk_size,
            least=LEAST_SECONDS,
            short=SHORT_SECONDS,
            most_bytes=MOST_BYTES,
            known=_paces.of(packed.kind),
            shares=SHARES,
        )
        self._settler = ChunkSettler(job, channel, self._sizer)
        self._lanes = Lanes(settings, same_clock=carrier.here)
        self._on_death = settings.on_death
        self._sent = 0
        self._out: dict[int, tuple[Chunk, float, int]] = {}  # when it was sent, and its bytes
        self._tickets: dict[int, Ticket] = {}
        self._busy = 0  # orders that are out, or about to be settled
        self._losses = Losses()
        self._known = False  # whether some agent has the job
        self._over = False
        self._thread = threading.Thread(target=self._feed, name="batchmill-dispatch", daemon=True)
        self._forget = [channel.on_stop(self._stop_items), cancel.on_cancel(self._cancel)]

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def _feed(self) -> None:
        try:
            if self._job.by_attempt:
                self._warm_up()
            while self._next():
                pass
        except BaseException as fault:  # noqa: BLE001  # this thread's end: the batch must hear of it
            self._channel.fail(fault)

    def _warm_up(self) -> None:
        """Start processes and load the job, with orders without items: an item that may start must not wait
        for that, and many that were admitted one by one must not start together."""
        remaining = self._channel.remaining()
        for _ in range(min(self._room(), WARM_SEATS, WARM_SEATS if remaining is None else remaining)):
            self._send(Chunk(0, ()))
        self._wait_until(lambda: not self._busy or self._channel.stopped)

    def _next(self) -> bool:
        """Take a chunk and send it. Returns False if no more chunks will come."""
        self._wait_until(lambda: self._busy < self._room())
        most, ahead = self._sizer.next(self._channel.remaining())
        chunk = self._channel.take(most, ahead)
        if chunk is None:
            return False
        with self._changed:
            alone = self._losses.suspects(chunk.start)
        if alone:
            self._wait_until(lambda: not self._busy)
        if self._over or self._channel.stopped:
            self._channel.give_back(chunk)
            return not self._over
        self._send(chunk)
        if alone:
            self._wait_until(lambda: not self._busy)
        return True

    def _seats(self) -> int:
        """How many orders can be at work at once, as far as is known now."""
        with self._changed:
            seats = max(1, self._carrier.seats(self._unable))
        return min(seats, self._most or seats)

    def _room(self) -> int:
        """How many orders may be out: one a seat, and as many that wait there while items are short."""
        depth = 1 if self._job.by_attempt else self._sizer.depth(self._channel.remaining())
        room = self._seats() * depth
        return min(room, self._most or room)

    def _wait_until(self, there: Callable[[], bool]) -> None:
        with self._changed:
            while not (self._over or there()):
                self._changed.wait(1.0)  # seats may have come meanwhile

    def _send(self, chunk: Chunk) -> None:
        if self._guarded:
            try:
                check_items(chunk)
            except ExecutorUnavailable:
                self._channel.give_back(chunk)
                raise
        items = packed_items(chunk)
        if isinstance(items, ErrorInfo):
            self._settler.split(chunk, items)
            return
        with self._changed:
            self._sent += 1
            number = self._sent
            self._out[number] = chunk, time.perf_counter(), len(items)
            self._busy += 1
            known = self._known and len(self._packed.job) > SMALL_JOB_BYTES
            unable = frozenset(self._unable)
        order = Order(
            WIRE,
            self._batch,
            self._packed.digest,
            None if known else self._packed.job,
            chunk.start,
            len(chunk),
            items,
            len(items) <= OPENED_BYTES and pickler.is_plain(chunk.items),
            chunk.attempts,
            sealed_error(chunk.lost),
            chunk.wait,
            max(PATIENCE_SECONDS, self._sizer.patience(len(chunk))),
        )
        try:
            ticket = self._carrier.send(pickle.dumps(order, 5), partial(self._done, number), unable)
        except BaseException:
            self._return([number])
            raise
        with self._changed:
            if number in self._out:
                self._tickets[number] = ticket

    def _done(self, number: int, end: End, worker: str = "") -> None:
        """In a thread of the carrier's: an order ended. One that returned before is ignored."""
        received = time.perf_counter()
        with self._changed:
            out = self._out.pop(number, None)
            self._tickets.pop(number, None)
        if out is None:
            return
        chunk, sent, n_bytes = out
        try:
            self._settle(number, chunk, end, sent, received, n_bytes, worker)
        except BaseException as fault:  # noqa: BLE001  # nobody else would hear of it
            self._channel.fail(fault)
            with contextlib.suppress(InternalError):  # where it was settled before the fault
                self._channel.give_back(chunk)
        finally:
            self._free(1)

    def _free(self, count: int) -> None:
        with self._changed:
            self._busy -= count
            self._changed.notify_all()

    def _settle(
        self, number: int, chunk: Chunk, end: End, sent: float, received: float, n_bytes: int, worker: str
    ) -> None:
        if isinstance(end, Gone):
            self._channel.give_back(chunk)
            self._channel.fail(ClusterLost(f"the cluster is lost: {end.reason}"))
        elif isinstance(end, Lost):
            self._lose(number, chunk, end)
        else:
            reply: Reply = pickle.loads(end)  # noqa: S301  # from our own agents
            if reply.status == "unable":
                self._leave_out(worker, reply)
            stint = None
            if reply.stay is not None:
                stint = self._lanes.stint(reply.stay, sent, received, self._seats())
            self._reply(chunk, reply, stint, max(len(end), n_bytes))

    def _lose(self, number: int, chunk: Chunk, lost: Lost) -> None:
        """A worker is gone with a chunk: its items continue in parts, or are charged with it."""
        if lost.expected:
            self._channel.give_back(chunk)
            return
        with self._changed:
            died = self._losses.is_new(lost.worker, number, self._sent)
        if died:
            reason = "the cluster lost it"
            first = chunk.start if len(chunk) else None
            death = WorkerDeath(None, None, reason=reason, item=first, items=len(chunk), host=lost.worker)
            self._tell(death)
        with self._changed:
            indices = range(chunk.start, chunk.start + len(chunk))
            errors = [self._losses.note(index, lost.worker) for index in indices]
            part = self._losses.part(chunk.start, len(chunk))
        for offset in range(0, len(chunk), part):
            one = chunk.part(offset, min(offset + part, len(chunk)))
            if (error := errors[offset]) is None:
                self._channel.give_back(one)
                continue
            settled = lost_attempt(self._job, one, 0, chunk.attempts + 1, error)
            if isinstance(settled, Chunk):
                self._channel.give_back(settled)
            else:
                self._channel.deliver(Block.of(settled, one.items[0]))

    def _tell(self, death: WorkerDeath) -> None:
        if self._on_death is not None:
            self._on_death(death)

    def _reply(self, chunk: Chunk, reply: Reply, stint: Stint | None, n_bytes: int) -> None:
        for packed in reply.logs:
            handle(pickle.loads(packed))  # noqa: S301  # from our own agents
        if reply.status != "done" or stint is None:
            with self._changed:
                self._known = False
            self._channel.give_back(chunk)
            return
        blocks = blocks_of(reply, chunk, stint, elsewhere=not self._carrier.here)
        with self._changed:
            self._known = True
        self._sizer.observe(sum(map(len, blocks)), reply.seconds, max(n_bytes, 1))
        for death in reply.deaths:  # before anybody hears of the items that they cost an attempt
            self._tell(death._replace(worker=stint.number, host=reply.host))
        for block in blocks:
            self._channel.deliver(block)
        for rest in rest_of(reply, chunk, stint):
            self._channel.give_back(rest)

    def _leave_out(self, worker: str, reply: Reply) -> None:
        """A worker runs nothing of this batch: others get the orders. Fails the batch if there are none."""
        with self._changed:
            new = worker not in self._unable
            self._unable.add(worker)
            others = worker and self._carrier.seats(self._unable)
        if not others:
            told = f"the worker on {reply.host} runs nothing: {reply.reason}"
            self._channel.fail(ExecutorUnavailable(told))
        elif new:
            reason = f"it runs nothing: {reply.reason}"
            self._tell(WorkerDeath(None, None, reason=reason, item=None, items=0, host=reply.host))

    def _return(self, numbers: list[int]) -> None:
        """Return what these orders hold, unless they have come to an end."""
        for number in numbers:
            with self._changed:
                out = self._out.pop(number, None)
                ticket = self._tickets.pop(number, None)
            if ticket is not None:
                ticket.drop()
            if out is not None:
                self._channel.give_back(out[0])
                self._free(1)

    def close(self) -> None:
        """End the batch: running items get a moment to finish, then they are ended, and then given up."""
        self._channel.stop()
        if not self._channel.wait_idle(CLOSE_SECONDS):
            self._carrier.cancel(self._batch)
            self._channel.wait_idle(CANCEL_SECONDS)
        with self._changed:
            self._over = True
            left = list(self._out)
            self._changed.notify_all()
        self._return(left)
        for forget in self._forget:
            forget()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)
        self._lanes.close()
        if (pace := self._sizer.pace) is not None:
            _paces.keep(self._packed.kind, pace)

    def _stop_items(self) -> None:
        with self._changed:
            busy = self._busy
            self._changed.notify_all()
        if busy:
            self._carrier.stop(self._batch)

    def _cancel(self) -> None:
        self._channel.stop()
        self._carrier.cancel(self._batch)
        threading.Thread(target=self._give_up, name="batchmill-dispatch-ending", daemon=True).start()

    def _give_up(self) -> None:
        """After a cancel, no longer wait for agents that do not answer."""
        end = time.monotonic() + CANCEL_SECONDS
        with self._changed:
            while self._busy and time.monotonic() < end:
                self._changed.wait(max(0.0, end - time.monotonic()))
            left = list(self._out)
        self._return(left)
