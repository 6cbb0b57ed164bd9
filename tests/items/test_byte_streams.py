"""Whether there is anything in standard input, told without taking it away."""

import io
import os
import socket
import sys

import pytest

from batchmill.items.byte_streams import standard_input_is_empty


def pipe_with(data):
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    return os.fdopen(reader)


def socket_with(data):
    ours, others = socket.socketpair()
    with others:
        others.sendall(data)
    return os.fdopen(ours.detach())


def file_with(data, read=0):
    file = os.fdopen(os.memfd_create("stdin"), "w+b", buffering=0)
    file.write(data)
    file.seek(read)
    return file


def device(path):
    return os.fdopen(os.open(path, os.O_RDONLY))


STREAMS = {
    "pipe": (lambda: pipe_with(b""), lambda: pipe_with(b"a\n")),
    "socket": (lambda: socket_with(b""), lambda: socket_with(b"a\n")),
    "file": (lambda: file_with(b"a", read=1), lambda: file_with(b"ab", read=1)),
    "text in its place": (lambda: io.StringIO(""), lambda: io.StringIO("a")),
    "device": (lambda: device(os.devnull), lambda: device("/dev/zero")),
    "closed": (lambda: None, lambda: pipe_with(b"\0")),
}


@pytest.mark.parametrize("kind", STREAMS)
def test_what_is_empty(kind, monkeypatch):
    if kind == "file" and not hasattr(os, "memfd_create"):
        pytest.skip("this system has no files without a name")
    for make, empty in zip(STREAMS[kind], (True, False), strict=True):
        stream = make()
        monkeypatch.setattr(sys, "stdin", stream)
        assert standard_input_is_empty() is empty
        assert standard_input_is_empty() is empty, "nothing was taken away"
        if stream is not None:
            if kind == "pipe" and not empty:
                assert stream.read() == "a\n"
            stream.close()


def test_a_live_pipe_is_waited_for(monkeypatch):
    reader, writer = os.pipe()
    with os.fdopen(reader) as stream, os.fdopen(writer, "w") as source:
        monkeypatch.setattr(sys, "stdin", stream)
        source.write("a")
        source.flush()
        assert not standard_input_is_empty()


def test_a_closed_stream_is_empty(monkeypatch):
    stream = io.StringIO("a")
    stream.close()
    monkeypatch.setattr(sys, "stdin", stream)
    assert standard_input_is_empty()
