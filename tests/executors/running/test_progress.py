"""What a worker's progress tells, and what may be asked of it from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from batchmill.executors.running.progress import CELLS, LOADING, PACKING, RUNNING, Progress


def test_a_chunk_from_its_begin_to_its_end() -> None:
    progress = Progress()
    assert progress.position == (0, 0)
    progress.publish(5)
    progress.begin_chunk(3)
    assert (progress.position, progress.phase, progress.published) == ((3, 0), LOADING, 0)
    begin_item = progress.begin_items()
    assert (progress.phase, progress.attempt) == (RUNNING, 1)
    assert progress.began > 0
    assert begin_item()
    assert begin_item()
    progress.begin_attempt(2)
    assert (progress.position, progress.attempt) == ((3, 2), 2)
    progress.enter(PACKING)
    progress.publish(100)
    assert (progress.phase, progress.published) == (PACKING, 100)
    progress.begin_items()  # as one whose chunks have no numbers does
    assert progress.position == (3, 0)


def test_what_is_paused_begins_nothing_until_it_is_resumed() -> None:
    progress = Progress()
    progress.begin_chunk(1)
    begin_item = progress.begin_items()
    assert begin_item()
    progress.pause()
    assert progress.paused
    assert not begin_item()
    assert progress.position == (1, 1)
    progress.resume()
    assert not progress.paused
    assert begin_item()
    assert progress.position == (1, 2)


def test_what_is_stopped_is_neither_paused_nor_resumed() -> None:
    progress = Progress()
    progress.stop()
    progress.pause()
    progress.resume()
    assert progress.stopped
    assert not progress.begin_items()()
    progress.reset()
    assert not progress.stopped
    assert not progress.paused


def test_what_has_a_deadline() -> None:
    progress = Progress()
    progress.postpone(10**9)
    assert progress.timed == 0  # nothing has one
    since = progress.begin_timed()
    assert progress.timed == progress.started == since > 0
    progress.postpone(10**9)
    assert progress.timed >= since + 10**9
    assert progress.started == since  # what reports say
    progress.end_timed()
    assert progress.timed == progress.started == 0


@pytest.mark.parametrize("change", [Progress.pause, Progress.resume])
@pytest.mark.parametrize("at", range(4))
def test_a_stop_beside_a_pause_is_for_good(change: Callable[[Progress], None], at: int) -> None:
    """Wherever the two meet: before each look and store of the other one."""

    class Meeting(list[int]):
        left = at

        def meet(self) -> None:
            self.left -= 1
            if self.left == -1:
                progress.stop()

        def __getitem__(self, place: Any) -> Any:
            self.meet()
            return super().__getitem__(place)

        def __setitem__(self, place: Any, value: Any) -> None:
            self.meet()
            super().__setitem__(place, value)

    cells = Meeting([0] * CELLS)
    progress = Progress(cells)
    change(progress)
    if cells.left >= 0:
        progress.stop()
    cells.left = -5
    assert progress.stopped
    progress.resume()
    progress.pause()
    assert progress.stopped
