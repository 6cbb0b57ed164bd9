"""Content encodings are undone, and stop where they grow too large."""

from __future__ import annotations

import gzip
import zlib

import pytest

from batchmill.errors import NodeError
from batchmill.nodes.http.decoding import TooLarge, decoded

TEXT = b"some text " * 100
RAW = zlib.compressobj(wbits=-zlib.MAX_WBITS)
RAW_DEFLATE = RAW.compress(TEXT) + RAW.flush()


@pytest.mark.parametrize(
    ("encodings", "data"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", gzip.compress(TEXT)),
        ("X-GZip", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", RAW_DEFLATE),
        ("deflate, gzip", gzip.compress(zlib.compress(TEXT))),
        ("gzip", gzip.compress(TEXT[:500]) + gzip.compress(TEXT[500:])),
        ("gzip", gzip.compress(TEXT) + b"\0\0\0\0"),
    ],
)
def test_what_comes_out(encodings, data):
    assert decoded(data, encodings, len(TEXT)) == TEXT


def test_nothing_stays_nothing():
    assert decoded(b"", "gzip", 10) == b""
    assert decoded(b"", "deflate", 10) == b""


@pytest.mark.parametrize("encodings", ["gzip", "deflate", "gzip, gzip"])
@pytest.mark.slow
def test_a_bomb_is_stopped(encodings):
    data = b"\0" * 200_000_000 if encodings == "deflate" else b"\0" * 20_000_000
    for name in encodings.split(", "):
        data = gzip.compress(data, 1) if name == "gzip" else zlib.compress(data, 1)
    with pytest.raises(TooLarge):
        decoded(data, encodings, 1_000_000)


def test_a_bomb_of_many_members_is_stopped():
    with pytest.raises(TooLarge):
        decoded(gzip.compress(b"\0" * 500_000) * 10, "gzip", 1_000_000)


@pytest.mark.parametrize(
    ("encodings", "data", "words"),
    [
        ("br", b"x", "'br'"),
        ("gzip", b"not gzip", "no gzip data"),
        ("gzip", gzip.compress(TEXT)[:-20], "too early"),
        ("gzip", gzip.compress(TEXT)[:-4] + b"\0\0\0\0", "no gzip data"),
        ("deflate", b"\xff\xff\xff", "no deflate data"),
        ("gzip, gzip, gzip, gzip", b"x", "4 times"),
    ],
)
def test_what_does_not_fit(encodings, data, words):
    with pytest.raises(NodeError, match=words):
        decoded(data, encodings, 10**6)


def test_through_the_node(run, server, reply):
    url = server.on(
        "/z",
        reply(
            200, gzip.compress(b'{"n": 1}'), {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        ),
    )
    bomb = server.on("/bomb", reply(200, gzip.compress(b"\0" * 10_000_000), {"Content-Encoding": "gzip"}))
    assert run("http", url=url).outputs["response"] == {"n": 1}
    assert server.received[0].headers["accept-encoding"] == "gzip, deflate"
    with pytest.raises(NodeError, match="1,000,000 bytes"):
        run("http", url=bomb, max_response_bytes=1_000_000)
