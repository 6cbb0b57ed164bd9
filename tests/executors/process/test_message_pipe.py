"""Messages over a pipe: whole, in order, and a clear end."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.executors.process.message_pipe import LENGTH, READ_BYTES, MessagePipe


@pytest.fixture
def ends() -> Iterator[tuple[MessagePipe, MessagePipe]]:
    here, there = MessagePipe.pair()
    yield here, there
    here.close()
    there.close()


@given(st.lists(st.binary(max_size=2000), max_size=20))
def test_messages_come_whole_and_in_order(messages: list[bytes]) -> None:
    here, there = MessagePipe.pair()
    try:
        for message in messages:
            here.send(message)
        assert [there.receive() for _ in messages] == messages
    finally:
        here.close()
        there.close()


def test_a_message_larger_than_the_pipe_holds(ends: tuple[MessagePipe, MessagePipe]) -> None:
    here, there = ends
    message = os.urandom(20 * READ_BYTES + 1)
    sender = threading.Thread(target=here.send, args=(message,))
    sender.start()
    assert there.receive() == message
    sender.join()


def test_the_end_of_the_other_end(ends: tuple[MessagePipe, MessagePipe]) -> None:
    here, there = ends
    here.send(b"last")
    here.close()
    assert there.receive() == b"last"
    with pytest.raises(EOFError):
        there.receive()
    with pytest.raises(OSError, match=r".+"):
        there.send(b"nobody hears it")


@pytest.mark.parametrize("sent", [LENGTH.pack(5)[:3], LENGTH.pack(5), LENGTH.pack(5) + b"abcd"])
def test_an_end_amid_a_message(ends: tuple[MessagePipe, MessagePipe], sent: bytes) -> None:
    """As of a worker that is killed while it writes."""
    here, there = ends
    os.write(here.fileno(), sent)
    here.close()
    with pytest.raises(EOFError):
        there.receive()


def test_a_look_around_amid_a_message_loses_nothing(ends: tuple[MessagePipe, MessagePipe]) -> None:
    here, there = ends
    there.look_every(1)
    os.write(here.fileno(), LENGTH.pack(4) + b"ab")
    with pytest.raises(BlockingIOError):
        there.receive()
    os.write(here.fileno(), b"cd" + LENGTH.pack(0))
    assert (there.receive(), there.receive()) == (b"abcd", b"")


def test_an_end_travels_only_to_a_process_that_is_being_started(
    ends: tuple[MessagePipe, MessagePipe],
) -> None:
    with pytest.raises(TypeError, match="being started"):
        pickle.dumps(ends[0])


def test_closing_twice_closes_nobody_elses_descriptor() -> None:
    here, there = MessagePipe.pair()
    here.close()
    reader, writer = os.pipe()  # takes the number that was freed
    here.close()
    with pytest.raises(OSError, match="descriptor"):
        here.send(b"")
    assert os.write(writer, b"x") == 1
    for descriptor in (reader, writer):
        os.close(descriptor)
    with pytest.raises(EOFError):
        there.receive()
    there.close()
