"""Secrets are masked in every form they take, and nothing else is."""

from __future__ import annotations

import base64
import gc
import html
import json
import pickle
import quopri
import re
import shlex
import shutil
import subprocess
import textwrap
import threading
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from batchmill.lists import LazyList
from batchmill.values.masking import Masker, is_ordinary
from batchmill.values.redaction import MASK, hidden, shortened

AWKWARD = "pä\"ss/w<o>rd +&'\\x"
LONG = "sk-proj-Ab3dE5gH7jK9mN1pQ3sT5vW7yZ9aB1cD3eF5gH7iJ9kL1mN3oP5qR7sT9uV1wX3"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=40).filter(
    lambda text: not is_ordinary(text)
)


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
        lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
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
        lambda text: quote(quote(text, safe=""), safe=""),
        lambda text: json.dumps(json.dumps(json.dumps(text))),
        lambda text: json.dumps(quote(text)),
        lambda text: json.dumps(text).replace("/", "\\/").replace("<", "\\u003c").replace("'", "\\u0027"),
        lambda text: "".join(f"&#{ord(char)};" if not char.isalnum() else char for char in text),
        re.escape,
        shlex.quote,
        lambda text: "'" + text.replace("'", "'\\''") + "'",
        lambda text: json.dumps("'" + text.replace("'", "'\\''") + "'"),
        lambda text: quopri.encodestring(text.encode()).decode(),
        lambda text: "".join(
            char if char.isascii() else f"\\{byte:03o}" for char in text for byte in char.encode()
        ),
    ],
)
@pytest.mark.parametrize("secret", ["canary-7f3a91", AWKWARD, "slash/and+plus=", "sechs6", LONG])
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
@pytest.mark.slow
def test_no_secret_is_left_in_any_text(secrets, between):
    masker = Masker(secrets)
    text = "|".join(part + secret for part, secret in zip([*between, "", "", ""], secrets, strict=False))
    hidden = masker.text(text)
    assert all(secret not in hidden.replace(MASK, "\0") for secret in secrets)


@given(st.text(alphabet="ab1", min_size=6, max_size=9), st.text(alphabet="ab1", max_size=60))
def test_secrets_that_overlap_are_masked_as_a_whole(secret, text):
    assume(not is_ordinary(secret))
    hidden = Masker([secret, secret[::-1]]).text(text)
    assert secret not in hidden
    assert secret[::-1] not in hidden
    assert hidden == text or MASK in hidden


def test_overlapping_secrets_leave_nothing_of_either():
    assert Masker(["abc1ef", "1efghi"]).text("x abc1efghi y") == f"x {MASK} y"


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
    class Held(LazyList):
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


@pytest.mark.slow
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


def left(text: str) -> str:
    """What of LONG can be read in ``text`` by somebody who joins lines and decodes."""
    joined = "".join(text.split())
    return max((LONG[at : at + 9] for at in range(len(LONG) - 8) if LONG[at : at + 9] in joined), default="")


@pytest.mark.parametrize("width", [76, 64, 57, 20])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\\n", "\\r\\n", "\\\\n", "\n  "])
@pytest.mark.parametrize("before", ["", "x", "user:", "a longer text before it "])
def test_base64_in_lines_is_masked(width, end, before):
    encoded = base64.b64encode(f"{before}{LONG}".encode()).decode()
    hidden = Masker([LONG]).text(end.join(textwrap.wrap(encoded, width)))
    assert MASK in hidden
    assert len(hidden.replace(end, "").replace(MASK, "")) <= len(base64.b64encode(before.encode())) + 6


@pytest.mark.parametrize(
    "command",
    [
        "base64",
        "base64 -w 20",
        "xxd",
        "xxd -p",
        "xxd -u",
        "xxd -i",
        "od -An -tx1",
        "od -tx1",
        "od -c",
        "od -b",
        "hexdump",
        "hexdump -C",
        "hexdump -c",
        "fold -w 20",
        "openssl base64",
    ],
)
@pytest.mark.parametrize("before", ["", "x=", "Authorization: "])
def test_what_programs_make_of_bytes_is_masked(command, before):
    if shutil.which(command.split()[0]) is None:
        pytest.skip(f"there is no {command.split()[0]} here")
    done = subprocess.run(
        command.split(), input=f"{before}{LONG}".encode(), capture_output=True, check=True, timeout=20
    )
    hidden = Masker([LONG]).text(done.stdout.decode())
    assert MASK in hidden
    assert not left(hidden)
    digits = re.sub(r"[^0-9a-f]", "", hidden.lower())
    assert LONG.encode().hex()[16:32] not in digits
    assert len(hidden) < len(done.stdout) / 2


XXD = """\
00000000: 746f 6b65 6e3d 736b 2d70 726f 6a2d 4162  token=sk-proj-Ab
00000010: 3364 4535 6748 376a 4b39 6d4e 3170 5133  3dE5gH7jK9mN1pQ3
00000020: 7354 3576 5737 795a 3961 4231 6344 3365  sT5vW7yZ9aB1cD3e
00000030: 4635 6748 3769 4a39 6b4c 316d 4e33 6f50  F5gH7iJ9kL1mN3oP
00000040: 3571 5237 7354 3975 5631 7758 33         5qR7sT9uV1wX3
"""
HEXDUMP = """\
00000000  74 6f 6b 65 6e 3d 73 6b  2d 70 72 6f 6a 2d 41 62  |token=sk-proj-Ab|
00000010  33 64 45 35 67 48 37 6a  4b 39 6d 4e 31 70 51 33  |3dE5gH7jK9mN1pQ3|
00000020  73 54 35 76 57 37 79 5a  39 61 42 31 63 44 33 65  |sT5vW7yZ9aB1cD3e|
00000030  46 35 67 48 37 69 4a 39  6b 4c 31 6d 4e 33 6f 50  |F5gH7iJ9kL1mN3oP|
00000040  35 71 52 37 73 54 39 75  56 31 77 58 33           |5qR7sT9uV1wX3|
0000004d
"""


@pytest.mark.parametrize("dump", [XXD, HEXDUMP])
def test_dumps_with_text_beside_the_bytes_are_masked(dump):
    hidden = Masker([LONG]).text(dump)
    assert MASK in hidden
    assert not left(hidden)
    assert not re.search(r"[a-zA-Z0-9]{9}", hidden.replace("00000000", "").replace("0000004d", ""))


@pytest.mark.parametrize(
    "secret", ["it's a se<ret $x `y`", "pa$$ w0rd!*", 'quo"te\\back', "new\nline\t7", "ümlaut£7 x"]
)
def test_the_quoting_of_a_shell_is_masked(secret):
    if shutil.which("bash") is None:
        pytest.skip("there is no bash here")
    script = 'printf "%q\\n" "$1"; echo "$${1@Q}"; set -x; : "$1"'.replace("$$", "$")
    done = subprocess.run(
        ["bash", "-c", script, "bash", secret], capture_output=True, text=True, check=True, timeout=20
    )
    hidden = Masker([secret]).text(done.stdout + done.stderr)
    assert hidden.count(MASK) == 3
    assert not any(part in hidden for part in re.findall(r"[a-z0-9]{3,}", secret))


def test_a_secret_in_folded_lines_is_masked():
    for end in ("\n", "\r\n ", "=\n", "\\n"):
        text = f"x-key: {end.join(textwrap.wrap(LONG, 30))} y"
        assert Masker([LONG]).text(text) == f"x-key: {MASK} y"


@pytest.mark.parametrize(
    "text",
    [
        *("abc", "short", "ollama", "lm-studio", "not-needed", "dummy-key", "EMPTY", "none", "your_api_key"),
        *("YOUR-API-KEY", "sk-no-key-required", "no key", "xxxxxxxxxxxx", "********", "Siemens", "company"),
        *("PASSWORD", "Müller", "会社秘密情報保護", "Anna Schmidt", "Acme Data Services"),
    ],
)
def test_what_is_too_ordinary_is_left_in_place(text):
    assert is_ordinary(text)
    masker = Masker()
    assert not masker.add(text)
    assert not masker.knows_any
    assert masker.text(f"compare {text} and others") == f"compare {text} and others"


@pytest.mark.parametrize(
    "text",
    [
        *(
            LONG,
            "hunter2",
            "s3cret",
            "correct-horse",
            "correct horse battery staple",
            "Tr0ub4dor&3",
            "aB3dE6",
        ),
        *("qzvxkwprtbn", "rosebudIsASled", "canary-1", "top-secret-value", "4111111111111111", "winter2024"),
        *("deadbeefcafe0", "jwtHeaderPart"),
    ],
)
def test_what_may_be_a_secret_is_masked(text):
    assert not is_ordinary(text)
    masker = Masker()
    assert masker.add(text)
    assert masker.text(f"a {text} b") == f"a {MASK} b"


def test_of_several_secrets_the_ordinary_ones_are_told():
    masker = Masker()
    assert not masker.add({"key": LONG, "user": "company"})
    assert masker.value({"k": LONG, "u": "company"}) == {"k": MASK, "u": "company"}
    assert masker.add(None)


def test_texts_are_masked_before_they_are_cut():
    masker = Masker([LONG])
    text = "x" * 50 + LONG + "y" * 50
    for limit in range(40, 130):
        assert not left(shortened(text, limit))
        assert not left(shortened(text, limit, "end"))
    assert shortened("ab" * 10, 5) == "ababa..."
    assert shortened("ab" * 10, 5, "end") == "...babab"
    assert shortened("abc", 3) == "abc"
    del masker
    gc.collect()  # for interpreters that do not count references
    assert hidden(LONG) == LONG  # whose run is over is not asked any more


def test_a_masker_travels_with_what_it_knows():
    copied = pickle.loads(pickle.dumps(Masker([LONG])))
    assert copied.text(LONG) == MASK
    assert hidden(LONG) == MASK


@pytest.mark.parametrize("length", range(8, 40))
@pytest.mark.parametrize("before", [0, 1, 2, 45, 46])
def test_nothing_of_a_secret_in_base64_is_left(length, before):
    secret = ("q9W-e7R_t5Z/u3I+o1P" * 3)[:length]
    text = base64.encodebytes(b"x" * before + secret.encode()).decode()
    masked = Masker([secret]).text(text)
    assert not masked.rpartition(MASK)[2].strip("=\n")


@pytest.mark.parametrize("form", ["plain", "base64", "hex", "url", "dump"])
def test_text_that_comes_in_pieces_is_held_back_where_a_secret_may_begin(form):
    secret = "sk-Abc%9/x\"Z12345'q"
    raw = secret.encode()
    written = {
        "plain": secret,
        "base64": base64.b64encode(b"x" + raw).decode(),
        "hex": raw.hex(),
        "url": quote(secret),
        "dump": raw.hex(" "),
    }[form]
    masker = Masker([secret])
    whole = f"Hello, so the {written} is mine, as 73 such; {'words ' * 20}and s"
    shown, held = "", ""
    for char in whole:
        held += char
        end = masker.begun(held)
        shown, held = shown + masker.text(held[:end]), held[end:]
    assert shown.startswith("Hello, so t")
    assert masker.text(whole)[-20:] == (shown + held)[-20:]
    assert written[3:-3] not in shown
    assert "***" in shown
