"""Catching what code prints, item by item."""

from __future__ import annotations

import contextvars
import io
import os
import sys
import threading

import pytest

from batchmill.concurrency.chunk_scope import ChunkScope
from batchmill.nodes.capture import _installation, capture


@pytest.fixture(autouse=True)
def streams_are_put_back():
    before = sys.stdout, sys.stderr
    yield
    assert (sys.stdout, sys.stderr) == before


def test_both_streams_are_caught_and_nothing_gets_through(capsys):
    with capture() as captured:
        print("out")
        print("err", file=sys.stderr)
        sys.stdout.writelines(["a", "b"])
        sys.stdout.flush()
    print("after")
    assert captured.stdout == "out\nab"
    assert captured.stderr == "err\n"
    assert not captured.truncated
    assert capsys.readouterr() == ("after\n", "")


def test_captures_inside_each_other_keep_their_own():
    with capture() as outer:
        print("one")
        with capture() as inner:
            print("two")
        print("three")
    assert (outer.stdout, inner.stdout) == ("one\nthree\n", "two\n")


def test_thirty_two_threads_at_once_keep_their_own(capsys):
    barrier = threading.Barrier(32)
    caught = {}

    def work(number):
        for turn in range(20):
            barrier.wait()
            with capture() as captured:
                for line in range(10):
                    print(number, turn, line)
                    print(number, turn, line, file=sys.stderr)
            caught[number, turn] = captured.stdout, captured.stderr

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for (number, turn), both in caught.items():
        expected = "".join(f"{number} {turn} {line}\n" for line in range(10))
        assert both == (expected, expected)
    assert len(caught) == 640
    assert capsys.readouterr() == ("", "")


def test_what_others_print_meanwhile_goes_where_it_always_went(capsys):
    with capture() as captured:
        print("inside")
        contextvars.Context().run(print, "outside")
    assert captured.stdout == "inside\n"
    assert capsys.readouterr().out == "outside\n"


def test_threads_with_a_copy_of_the_context_belong_to_the_item():
    with capture() as captured:
        thread = threading.Thread(target=contextvars.copy_context().run, args=(print, "child"))
        thread.start()
        thread.join()
    assert captured.stdout == "child\n"


def test_the_first_of_much_is_kept():
    with capture(limit=10) as captured:
        for _ in range(1000):
            print("x" * 7)
        print("e", file=sys.stderr)
    assert captured.stdout == "xxxxxxx\nxx"
    assert captured.stderr == "e\n"
    assert captured.truncated
    assert captured.fault == "more than 10 characters were printed; write them to a file"


def test_bytes_are_read_as_text():
    with capture() as captured:
        sys.stdout.buffer.write("é\n".encode())
        for piece in (b"\xc3", b"\xa9"):  # a character in two pieces
            sys.stdout.buffer.write(piece)
    assert captured.stdout == "é\né"
    assert captured.fault == ""


@pytest.mark.parametrize(
    ("pieces", "text", "fault"),
    [
        ([b"ab", b"c\xff"], r"abc\xff", "the buffer of stdout is no UTF-8 text: byte 0xff at offset 3"),
        ([b"ab\xc3"], "ab", "a character is cut short at offset 2"),
        ([b"\xc3", b"x"], r"\xc3x", "byte 0xc3 at offset 0"),
    ],
)
def test_bytes_that_are_no_text_are_told(pieces, text, fault):
    with capture() as captured:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
    assert captured.stdout == text
    assert fault in captured.fault


def test_captured_streams_are_no_terminal_and_no_file_and_are_not_closed():
    with capture() as captured:
        assert not sys.stdout.isatty()
        assert sys.stdout.writable()
        assert sys.stdout.encoding
        assert sys.stdout.errors
        with pytest.raises(io.UnsupportedOperation, match="captured"):
            sys.stdout.fileno()
        with pytest.raises(TypeError, match="must be str, not bytes"):
            sys.stdout.write(b"x")
        sys.stdout.close()
        print("still")
    assert captured.stdout == "still\n"


def test_outside_of_the_item_the_stream_is_the_real_one(tmp_path, monkeypatch):
    with open(tmp_path / "real", "w", encoding="latin-1") as real:
        monkeypatch.setattr(sys, "stdout", real)
        with capture():
            outside = contextvars.Context()
            assert outside.run(sys.stdout.fileno) == real.fileno()
            assert outside.run(lambda: sys.stdout.encoding) == "latin-1"
            assert outside.run(lambda: sys.stdout.buffer) is real.buffer
            assert outside.run(sys.stdout.isatty) is False
            outside.run(sys.stdout.flush)
        assert sys.stdout is real
        os.fstat(real.fileno())


def test_a_stream_somebody_put_in_place_meanwhile_stays(monkeypatch):
    theirs = io.StringIO()
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    with capture() as captured:
        print("mine")
        sys.stdout = theirs
    assert sys.stdout is theirs
    assert captured.stdout == "mine\n"


def test_without_any_stream_text_outside_goes_nowhere(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with capture() as captured:
        print("inside")
        assert contextvars.Context().run(sys.stdout.write, "outside") == 7
        assert contextvars.Context().run(lambda: (sys.stdout.encoding, sys.stdout.errors)) == (
            "utf-8",
            "replace",
        )
    assert captured.stdout == "inside\n"
    assert sys.stdout is None


def test_an_error_inside_ends_the_capture():
    captured = None

    def fail():
        nonlocal captured
        with capture() as captured:
            print("before")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert captured.stdout == "before\n"


def test_between_two_captures_of_a_chunk_texts_go_where_they_always_went(capsys):
    before = sys.stdout
    with ChunkScope():
        with capture() as first:
            print("one")
        print("between")
        with capture() as second:
            print("two")
    assert sys.stdout is before
    assert (first.stdout, second.stdout) == ("one\n", "two\n")
    assert capsys.readouterr().out == "between\n"


def test_the_next_item_of_a_chunk_is_caught_even_if_one_leaves_another_stream_behind(monkeypatch):
    theirs = io.StringIO()
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    with ChunkScope():
        with capture():
            sys.stdout = theirs
        with capture() as captured:
            print("mine")
        print("theirs")
    assert sys.stdout is theirs
    assert captured.stdout == "mine\n"
    assert theirs.getvalue() == "theirs\n"


def test_captures_of_threads_that_a_chunk_starts_end_by_themselves():
    def work():
        with capture() as captured:
            print("beside")
        caught.append(captured.stdout)

    caught = []
    with ChunkScope():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert not _installation._open
    assert caught == ["beside\n"]
