"""Heads of answers."""

from __future__ import annotations

import pytest

from batchmill.errors import NodeError


def head(*lines, body=b"ok"):
    fields = "".join(f"{line}\r\n" for line in (*lines, f"Content-Length: {len(body)}"))
    return f"HTTP/1.1 200 OK\r\n{fields}\r\n".encode("latin-1") + body


def test_informational_answers_come_before_the_answer(run, server):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
    url = server.on("/x", hints + b"HTTP/1.1 100 Continue\r\n\r\n" + head("A: b"))
    for _ in range(2):
        outputs = run("http", url=url).outputs
        assert (outputs["status_code"], outputs["response"]) == (200, "ok")
        assert "Link" not in outputs["response_headers"]
    assert server.connections == 1


def test_fields_in_all_their_forms(run, server):
    url = server.on("/x", head("A:  1 ", "Folded: one", "\t two", "A: 2", "Empty:", "B:x:y"))
    fields = run("http", url=url).outputs["response_headers"]
    assert {name: fields[name] for name in ("A", "Folded", "Empty", "B")} == {
        "A": "1, 2",
        "Folded": "one two",
        "Empty": "",
        "B": "x:y",
    }


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (head("Content-Length: 5"), "different lengths"),
        (head(*(f"A{n}: b" for n in range(200))), "more than 100 headers"),
        (head("A: " + "b" * 70_000), "header line"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "HTTP/2.0"),
    ],
)
def test_what_is_no_head(run, server, answer, words):
    with pytest.raises(NodeError, match=words) as caught:
        run("http", url=server.on("/x", answer), timeout=20)
    assert (caught.value.type_name, caught.value.retryable) == ("ConnectionFailed", True)
