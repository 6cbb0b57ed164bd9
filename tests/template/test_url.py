"""Values stay within their place of a URL."""

from __future__ import annotations

import copy
import pickle

import pytest

from batchmill.errors import UnresolvedReference, UnsafeValue
from batchmill.template import Scope, compile_url

BASE = "http://h:1"
HOSTILE = "a/../b?c=d&e#f%2F é\r\nX: y@evil\\"
ENCODED = "a%2F..%2Fb%3Fc%3Dd%26e%23f%252F%20%C3%A9%0D%0AX%3A%20y%40evil%5C"


def made(text, **values):
    return compile_url(text).resolve(Scope({"base": BASE, **values}))


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://h/${x}", f"http://h/{ENCODED}"),
        ("http://h/a-${x}-b/c", f"http://h/a-{ENCODED}-b/c"),
        ("http://h?q=${x}", f"http://h?q={ENCODED}"),
        ("http://h/p?q=${x}&r=${x}", f"http://h/p?q={ENCODED}&r={ENCODED}"),
        ("http://h/p#${x}", f"http://h/p#{ENCODED}"),
        ("${base}/${x}", f"{BASE}/{ENCODED}"),
        ("${base}?q=${x}", f"{BASE}?q={ENCODED}"),
        ("http://${x}@h/", f"http://{ENCODED}@h/"),
    ],
)
def test_a_value_is_one_component(text, url):
    assert made(text, x=HOSTILE) == url


@pytest.mark.parametrize(
    ("text", "values", "url"),
    [
        ("${base}", {}, BASE),
        ("${x}", {"x": "https://h/a?b=c&d#e"}, "https://h/a?b=c&d#e"),
        ("http://${x}/a", {"x": "h.example:8080"}, "http://h.example:8080/a"),
        ("http://${x}:${y}/a", {"x": "[::1]", "y": 80}, "http://[::1]:80/a"),
        ("http://${x}/a", {"x": "h.example/v1"}, "http://h.example/v1/a"),
        ("http://${x}", {"x": "h.example:1/v1?q=a b"}, "http://h.example:1/v1?q=a%20b"),
        ("${b}${x}/a", {"b": "http://h", "x": ":80"}, "http://h:80/a"),
        ("${b}.example${x}", {"b": "http://h", "x": ""}, "http://h.example"),
        ("${base}${x}", {"x": "/a/b?c=d e&f=é"}, f"{BASE}/a/b?c=d%20e&f=%C3%A9"),
        ("${base}/${x | raw}", {"x": "a/b?c=d"}, f"{BASE}/a/b?c=d"),
        ("${base}/${x | url}", {"x": "a/b"}, f"{BASE}/a%2Fb"),
        ("${base}/${x}", {"x": None}, f"{BASE}/"),
        ("${base}/${x}/${y}", {"x": 1, "y": True}, f"{BASE}/1/True"),
        ("${base}/?q=${x}", {"x": {"a": [1]}}, f"{BASE}/?q=%7B%22a%22%3A%20%5B1%5D%7D"),
        ("${s}://h/${x}", {"s": "https", "x": "a b"}, "https://h/a%20b"),
        ("${base}/a..b/${x}", {"x": "c..d"}, f"{BASE}/a..b/c..d"),
        ("${base}/../${x}", {"x": "a"}, f"{BASE}/../a"),
        ("${base}/q?x=${x}", {"x": ".."}, f"{BASE}/q?x=.."),
        ("$${x}", {}, "${x}"),
        ("http://h/", {}, "http://h/"),
    ],
)
def test_what_comes_out(text, values, url):
    assert made(text, **values) == url


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("http://${x}.good.com/a", "evil.com/"),
        ("http://${x}${y}/a", "evil.com/"),
        ("http://good.${x}", "com@evil.com/"),
        ("http://good${x}", ".evil.com/"),
        ("http://${x}/a", "user@evil.com/b"),
        ("http://${x}/a", "user@evil"),
        ("http://${x}/a", "a\\b"),
        ("http://api.${x}/a", "good.com@evil.com"),
        ("${base}${x}", "@evil.com/"),
        ("${base}${x}", ".evil.com/x"),
        ("${base}${x}", ".evil.com"),
        ("${base}${x}", "0"),
        ("http://${x}/a", "a b"),
        ("${x}/a", "http://h\r\nX: y"),
        ("${base}/${x | raw}", "a\nb"),
        ("${x}", "http://h/a b"),
        ("${base}/users/${x}/delete", ".."),
        ("${base}/users/${x}", "."),
        ("${base}/users/.${x}/x", "."),
        ("${base}/users/${x}${x}/x", "."),
        ("${base}/users/${x | url}/x", ".."),
        ("${base}/${x}", "\ud800"),
    ],
)
def test_what_is_refused(text, value):
    with pytest.raises(UnsafeValue):
        made(text, x=value, y="y")


def test_a_substituted_value_is_not_scanned_again():
    assert made("${base}/${x}", x="${base}") == f"{BASE}/%24%7Bbase%7D"


def test_what_is_missing():
    with pytest.raises(UnresolvedReference):
        made("${base}/${nothing}")


def test_copies_and_pickles():
    template = compile_url("${base}/${x}")
    assert copy.deepcopy(template) is template
    again = pickle.loads(pickle.dumps(template))
    assert again.resolve(Scope({"base": BASE, "x": "a/b"})) == f"{BASE}/a%2Fb"
    assert [path.text for path in again.references] == ["base", "x"]
