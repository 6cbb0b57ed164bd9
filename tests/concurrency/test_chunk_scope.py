"""What items of a chunk share."""

from __future__ import annotations

import threading

import pytest

from batchmill.concurrency.chunk_scope import ChunkScope, chunk_here


def test_what_was_asked_for_is_done_once_at_the_end_of_the_chunk():
    done = []
    with ChunkScope() as scope:
        for _ in range(3):
            chunk_here().ends["key"] = lambda: done.append("end")
        assert chunk_here() is scope
        assert not done
    assert done == ["end"]
    assert chunk_here() is None


def test_a_chunk_inside_an_item_ends_before_that_of_the_item():
    done = []
    with ChunkScope() as outer:
        outer.ends["key"] = lambda: done.append("outer")
        with ChunkScope() as inner:
            inner.ends["key"] = lambda: done.append("inner")
        assert chunk_here() is outer
        assert done == ["inner"]
    assert done == ["inner", "outer"]


def test_an_exception_ends_it_too():
    def fail():
        with ChunkScope() as scope:
            scope.ends["key"] = lambda: done.append("end")
            raise LookupError

    done = []
    with pytest.raises(LookupError):
        fail()
    assert done == ["end"]
    assert chunk_here() is None


def test_other_threads_are_in_no_chunk():
    found = []
    with ChunkScope():
        thread = threading.Thread(target=lambda: found.append(chunk_here()))
        thread.start()
        thread.join()
    assert found == [None]
