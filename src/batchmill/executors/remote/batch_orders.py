"""The orders of one batch on a cluster: sends chunks over a carrier, and settles the replies."""

from __future__ import annotations

import contextlib
import pickle
import secrets
import threading
import time
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
from batchmill.executors.remote.contract import (
    WIRE,
    Carrier,
    End,
    Gone,
    Help,
    Lost,
    RemoteOrder,
    RemoteReply,
)
from batchmill.executors.remote.jobs import PackedBatch, check_items, guarded, packed_items
from batchmill.executors.remote.lanes import Lanes
from batchmill.executors.remote.losses import Losses
from batchmill.executors.remote.out import Out, OutOrders
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
HELP_SECONDS = 1.0  # that an order with help begins items for, before it hands in what it has
LATE_LOOK_SECONDS = 0.05  # between looks for orders that need help
OPENED_BYTES = 64 << 10  # of plain items, by agents: more is quicker to pass on than to unpickle
SMALL_JOB_BYTES = 32 << 10  # what travels with every order
CLOSE_SECONDS = 1.0
CANCEL_SECONDS = 2.0  # that agents have to end what runs, before nobody waits for them any more

_paces = Paces()


class BatchOrders:
    """Sends and settles the orders of one batch; see the module.

    Concurrency: a thread of its own takes and sends, the carrier's threads settle, and the threads that stop,
    cancel or close the batch call in. ``_lock`` guards ``_losses``, ``_known`` and ``_unable``.
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
        self._helps = not (settings.by_attempt or settings.by_permit)  # else each start is permitted here
        self._most = settings.max_concurrent
        self._lock = threading.Lock()
        self._out = OutOrders(channel.give_back)
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
        self._losses = Losses()
        self._known = False  # whether some agent has the job
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
        self._out.wait_until(lambda: not self._out.busy or self._channel.stopped)

    def _next(self) -> bool:
        """Take a chunk and send it. Returns False if no more chunks will come."""
        self._out.wait_until(lambda: self._out.busy < self._room())
        if self._helps:
            self._help_late()
        most, ahead = self._sizer.next(self._channel.remaining())
        chunk = self._channel.take(most, ahead)
        if chunk is None:
            return False
        with self._lock:
            alone = self._losses.suspects(chunk.start)
        if alone:
            self._out.wait_until(lambda: not self._out.busy)
        if self._out.over or self._channel.stopped:
            self._channel.give_back(chunk)
            return not self._out.over
        self._send(chunk)
        if alone:
            self._out.wait_until(lambda: not self._out.busy)
        return True

    def _seats(self) -> int:
        """How many orders can be at work at once, as far as is known now."""
        with self._lock:
            seats = max(1, self._carrier.seats(self._unable))
        return min(seats, self._most or seats)

    def _room(self) -> int:
        """How many orders may be out: one a seat, and as many that wait there while items are short."""
        depth = 1 if self._job.by_attempt else self._sizer.depth(self._channel.remaining())
        room = self._seats() * depth
        return min(room, self._most or room)

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
        with self._lock:
            known = self._known and len(self._packed.job) > SMALL_JOB_BYTES
            unable = frozenset(self._unable)
        order = RemoteOrder(
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
        packed = pickle.dumps(order, 5)
        self._out.post(
            Out(chunk, time.perf_counter(), len(items)),
            lambda number: self._carrier.send(packed, partial(self._done, number), unable),
        )

    def _help_late(self) -> None:
        """While nothing is left to send, let free seats help orders that take too long."""

        def no_more() -> bool:
            return not self._out.busy or self._channel.stopped or self._channel.more()

        while not (self._out.over or no_more()):
            late = self._late_ones() if self._out.busy < self._seats() else []
            any(map(self._help, late))  # the first that can be helped
            self._out.wait_until(no_more, LATE_LOOK_SECONDS)

    def _late_ones(self) -> list[Out]:
        pace = self._sizer.pace
        return self._out.late(pace.seconds if pace is not None else 0.0, time.perf_counter())

    def _help(self, late: Out) -> bool:
        """Send help to the worker that has an order; False if it has no free seat."""
        ticket, start = late.ticket, late.chunk.start
        if ticket is None:
            return False
        packed = pickle.dumps(Help(WIRE, self._batch, start, HELP_SECONDS), 5)
        return self._out.post(
            Out(Chunk(start, ()), time.perf_counter(), helps=late),
            lambda number: self._carrier.beside(ticket, packed, partial(self._done, number)),
        )

    def _done(self, number: int, end: End, worker: str = "") -> None:
        """In a thread of the carrier's: an order ended. One that returned before is ignored."""
        received = time.perf_counter()
        out = self._out.take(number)
        if out is None:
            return
        try:
            self._settle(number, out, end, received, worker)
        except BaseException as fault:  # noqa: BLE001  # nobody else would hear of it
            self._channel.fail(fault)
            with contextlib.suppress(InternalError):  # where it was settled before the fault
                self._channel.give_back(out.chunk)
        finally:
            self._out.settled()

    def _settle(self, number: int, out: Out, end: End, received: float, worker: str) -> None:
        if isinstance(end, Gone):
            self._channel.give_back(out.chunk)
            self._channel.fail(ClusterLost(f"the cluster is lost: {end.reason}"))
        elif isinstance(end, Lost):
            self._lose(number, out.chunk, end)
        else:
            reply: RemoteReply = pickle.loads(end)  # noqa: S301  # from our own agents
            if reply.status == "unable":
                self._leave_out(worker, reply)
            if out.helps is not None:
                self._out.helped(out.helps, received, helped=reply.helped)
            self._reply(out, reply, received, max(len(end), out.n_bytes))

    def _lose(self, number: int, chunk: Chunk, lost: Lost) -> None:
        """A worker is gone with a chunk: its items continue in parts, or are charged with it."""
        if lost.expected:
            self._channel.give_back(chunk)
            return
        with self._lock:
            died = self._losses.is_new(lost.worker, number, self._out.sent)
        if died:
            reason = "the cluster lost it"
            first = chunk.start if len(chunk) else None
            death = WorkerDeath(None, None, reason=reason, item=first, items=len(chunk), host=lost.worker)
            self._tell(death)
        with self._lock:
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

    def _reply(self, out: Out, reply: RemoteReply, received: float, n_bytes: int) -> None:
        for packed in reply.logs:
            handle(pickle.loads(packed))  # noqa: S301  # from our own agents
        chunk, stay, workers = out.chunk, reply.stay, self._seats()
        if reply.status != "done" or stay is None:
            with self._lock:
                self._known = False
            self._channel.give_back(chunk)
            return
        stint = self._lanes.stint(stay, out.sent, received, workers)
        stint_at = partial(self._lanes.beside, stay, stint, workers)
        blocks = blocks_of(reply, chunk, stint_at, elsewhere=not self._carrier.here)
        with self._lock:
            self._known = True
        self._sizer.observe(sum(map(len, blocks)), reply.seconds, max(n_bytes, 1))
        for death in reply.deaths:  # before anybody hears of the items that they cost an attempt
            self._tell(death._replace(worker=stint_at(death.worker).number, host=reply.host))
        for block in blocks:
            self._channel.deliver(block)
        for rest in rest_of(reply, chunk, stint_at):
            self._channel.give_back(rest)

    def _leave_out(self, worker: str, reply: RemoteReply) -> None:
        """A worker runs nothing of this batch: others get the orders. Fails the batch if there are none."""
        with self._lock:
            new = worker not in self._unable
            self._unable.add(worker)
            others = worker and self._carrier.seats(self._unable)
        if not others:
            told = f"the worker on {reply.host} runs nothing: {reply.reason}"
            self._channel.fail(ExecutorUnavailable(told))
        elif new:
            reason = f"it runs nothing: {reply.reason}"
            self._tell(WorkerDeath(None, None, reason=reason, item=None, items=0, host=reply.host))

    def close(self) -> None:
        """End the batch: running items get a moment to finish, then they are ended, and then given up."""
        self._channel.stop()
        if not self._channel.wait_idle(CLOSE_SECONDS):
            self._carrier.cancel(self._batch)
            self._channel.wait_idle(CANCEL_SECONDS)
        self._out.end()
        for forget in self._forget:
            forget()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)
        self._lanes.close()
        if (pace := self._sizer.pace) is not None:
            _paces.keep(self._packed.kind, pace)

    def _stop_items(self) -> None:
        self._out.wake()
        if self._out.busy:
            self._carrier.stop(self._batch)

    def _cancel(self) -> None:
        self._channel.stop()
        self._carrier.cancel(self._batch)
        threading.Thread(target=self._give_up, name="batchmill-dispatch-ending", daemon=True).start()

    def _give_up(self) -> None:
        """After a cancel, no longer wait for agents that do not answer."""
        self._out.wait_until(lambda: not self._out.busy, CANCEL_SECONDS)
        self._out.take_back()
