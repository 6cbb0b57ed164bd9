"""Secrets are masked in every form they take, and nothing else is."""

from __future__ import annotations

import base64
import html
import json
import threading
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.lists import MappedList
from batchmill.masking import MASK, Masker

AWKWARD = "pä\"ss/w<o>rd +&'\\x"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=40)


def test_a_masker_that_knows_nothing_gives_back_what_it_gets():
    masker, value = Masker(), {"a": ["b"]}
    assert masker.value(value) is value
    assert not masker.knows_any


@pytest.mark.parametrize(
    "form",
    [
        str,
        quote,
        lambda text: quote(text, safe=""),
        lambda text: quote(text, safe="").lower(),
        quote_plus,
        json.dumps,
        lambda text: json.dumps(text, ensure_ascii=False),
        lambda text: json.dumps(json.dumps(text)),
        repr,
        ascii,
        html.escape,
        lambda text: text.encode().hex(),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
        lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
        lambda text: base64.b64encode(f"{text}:x".encode()).decode(),
        lambda text: base64.b64encode(f"me:{text}\n".encode()).decode(),
    ],
)
@pytest.mark.parametrize("secret", ["canary-7f3a91", AWKWARD, "slash/and+plus=", "sechs6"])
def test_every_form_is_masked(secret, form):
    hidden = Masker([secret]).text(f"before {form(secret)} after")
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")
    assert MASK in hidden
    assert secret not in hidden
    assert (
        len(hidden) <= len("before  after") + len(MASK) + 16
    )  # of base64 the edges, which tell of others too


@given(st.lists(TEXTS, min_size=1, max_size=3), st.lists(st.text(max_size=20), max_size=4))
def test_no_secret_is_left_in_any_text(secrets, between):
    masker = Masker(secrets)
    text = "|".join(part + secret for part, secret in zip([*between, "", "", ""], secrets, strict=False))
    hidden = masker.text(text)
    assert all(secret not in hidden.replace(MASK, "\0") for secret in secrets)


@given(st.text(alphabet="abc", min_size=6, max_size=9), st.text(alphabet="abc", max_size=60))
def test_secrets_that_overlap_are_masked_as_a_whole(secret, text):
    hidden = Masker([secret, secret[::-1]]).text(text)
    assert secret not in hidden
    assert secret[::-1] not in hidden
    assert hidden == text or MASK in hidden


def test_overlapping_secrets_leave_nothing_of_either():
    assert Masker(["abcdef", "defghi"]).text("x abcdefghi y") == f"x {MASK} y"


@dataclass(frozen=True)
class Told:
    message: str
    errors: tuple = ()
    number: int = 0


def test_all_of_a_structure_is_masked_and_what_is_clean_stays_the_same_object():
    masker, secret = Masker(["canary-1"]), "a canary-1 b"
    value = {secret: [secret, {"k": (secret, 1, None, True)}], "b": secret.encode(), "c": {1.5}}
    hidden = f"a {MASK} b"
    assert masker.value(value) == {
        hidden: [hidden, {"k": (hidden, 1, None, True)}],
        "b": hidden.encode(),
        "c": {1.5},
    }
    clean = Told("fine")
    assert masker.value(clean) is clean
    assert masker.value(Told(secret, ({"item": secret},), 3)) == Told(hidden, ({"item": hidden},), 3)


def test_large_lists_are_masked_as_they_are_read():
    class Held(MappedList):
        def __init__(self):
            pass

        def __len__(self):
            return 2

        def part(self, start, stop):
            return ["canary-1", "b"][start:stop]

    assert list(Masker(["canary-1"]).value({"rows": Held()})["rows"]) == [MASK, "b"]


def test_what_counts_as_a_secret():
    masker = Masker([None, True, 5, "short", "", {"pin": 123456, "in": ["list-secret"]}, b"bytes-secret"])
    assert masker.text("short None True 5") == "short None True 5"
    assert masker.text("list-secret bytes-secret") == f"{MASK} {MASK}"
    assert masker.value([123456, 123457]) == [MASK, 123457]


def test_lines_of_a_key_are_masked_by_themselves():
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END KEY-----"
    assert "MIIEvQIBADANBgkqhkiG9w0B" not in Masker([key]).text("line 2 is MIIEvQIBADANBgkqhkiG9w0B")


def test_secrets_may_be_added_while_others_read():
    masker, over = Masker(), threading.Event()

    def read():
        while not over.is_set():
            assert masker.text("nothing here") == "nothing here"

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(50):
        masker.add(f"secret-{number}")
        assert masker.text(f"x secret-{number}") == f"x {MASK}"
    over.set()
    for reader in readers:
        reader.join()
