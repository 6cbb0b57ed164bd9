"""What goes to workers by value, and what goes with it: names of files, sources, context variables."""

from __future__ import annotations

import contextvars
import importlib.util
import io
import linecache
import sys
import types

import pytest

import batchmill
from batchmill.executors.pickling import pickler
from batchmill.executors.pickling.importable import is_importable

SOURCE = """
class Thing:
    def __init__(self, n):
        self.n = n

def third(n):
    return n / 3

def things(n):
    return Thing(third(n))

def same(thing):
    return thing, type(thing) is Thing

def fails(n):
    raise ValueError(n)
"""


def made(name, file=None):
    """A module made at run time under a name, from no file or from one."""
    module = types.ModuleType(name)
    if file is not None:
        file.write_text(SOURCE)
        spec = importlib.util.spec_from_file_location(name, file)
        module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if file is not None:
        module.__spec__.loader.exec_module(module)
    else:
        exec(compile(SOURCE, f"<{name}>", "exec"), module.__dict__)
    return module


@pytest.fixture(
    params=["loaded from a path", "made at run time", "like an installed one", "main of a parent"]
)
def module(request, tmp_path, monkeypatch):
    """A module that worker processes cannot import, or not as the one it is."""
    names = {"like an installed one": "calendar", "main of a parent": "__mp_main__"}
    name = names.get(request.param, "plug_in_of_mine")
    if name in sys.modules:
        monkeypatch.delitem(sys.modules, name)
    file = None if request.param == "made at run time" else tmp_path / "plug.py"
    yield made(name, file)
    del sys.modules[name]


def test_what_a_worker_cannot_import_travels_by_value(module):
    assert not is_importable(module)
    assert list(batchmill.map(module.third, [3, 6], executor="process")) == [1, 2]


def test_so_do_its_classes_there_and_back(module):
    (thing,) = batchmill.map(module.things, [3], executor="process")
    assert type(thing) is module.Thing
    assert thing.n == 1
    assert batchmill.map(module.same, [thing], executor="process")[0][1]


def test_so_does_the_module_where_a_function_uses_it(module):
    def uses(n):
        return module.third(n)

    assert list(batchmill.map(uses, [3], executor="process")) == [1]


def test_its_tracebacks_name_its_file(module):
    done = batchmill.map(module.fails, [1], executor="process", error_handling="continue")
    file = getattr(module, "__file__", None) or "<plug_in_of_mine>"
    assert f'File "{file}", line 16, in fails' in done.errors[0]["traceback"]


@pytest.mark.parametrize(
    "name", ["os", "os.path", "json.decoder", "sys", "time", "batchmill.errors", "pytest"]
)
def test_what_it_can_import_goes_by_name(name):
    importlib.import_module(name)
    assert is_importable(sys.modules[name])


def test_parts_of_extensions_go_by_name():
    numpy = pytest.importorskip("numpy")
    assert is_importable(sys.modules["numpy._core._multiarray_umath"])
    assert is_importable(numpy)
    assert list(batchmill.map(numpy.sqrt, [4.0], executor="process")) == [2.0]


def test_a_worker_that_cannot_load_the_function_says_which_and_why(tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text(
        "import os, sys\nif 'LOKY_PARENT' in os.environ: raise ImportError('not here')\n" + SOURCE
    )
    monkeypatch.syspath_prepend(tmp_path)
    only_here = importlib.import_module("only_here")
    only_here.__file__ = str(tmp_path / "only_here.py")
    (tmp_path / "only_here.py").write_text("raise ImportError('not here')")
    done = batchmill.map(only_here.third, range(5), executor="process", error_handling="continue")
    messages = {error["message"] for error in done.errors}
    assert (len(done.errors), len(messages)) == (5, 1)
    (message,) = messages
    assert message.startswith(
        "the function third of only_here cannot be loaded in a worker process: ImportError: not here; "
    )
    del sys.modules["only_here"]


def test_what_a_function_uses_is_named_with_the_function():
    file = io.TextIOWrapper(io.BytesIO())

    def reads(n):
        return file.read(n)

    done = batchmill.map(reads, [1], executor="process", error_handling="continue")
    message = done.errors[0]["message"]
    assert message.startswith(f"function {reads.__qualname__} of {__name__} uses file (_io.TextIOWrapper)")


def test_an_open_file_does_not_travel_as_its_content(tmp_path):
    (tmp_path / "a.txt").write_text("abc")
    with open(tmp_path / "a.txt") as file:
        done = batchmill.map(str, [file], executor="process", error_handling="continue")
    assert done.errors[0]["kind"] == "not_picklable"
    assert f"the open file {str(tmp_path / 'a.txt')!r} is bound to this process" in done.errors[0]["message"]


def test_source_that_only_this_process_has_goes_along():
    source = "def of_a_cell(n):\n    raise KeyError(n)\n"
    linecache.cache["<cell 5>"] = (len(source), None, source.splitlines(keepends=True), "<cell 5>")
    names = {"__name__": "__main__"}
    exec(compile(source, "<cell 5>", "exec"), names)
    done = batchmill.map(names["of_a_cell"], [1], executor="process", error_handling="continue")
    del linecache.cache["<cell 5>"]
    assert '  File "<cell 5>", line 2, in of_a_cell\n    raise KeyError(n)\n' in done.errors[0]["traceback"]


plain = contextvars.ContextVar("plain", default="unset")
bare = contextvars.ContextVar("bare")


def copied(value):
    return pickler.loads(pickler.dumps(value, []))


def test_a_context_variable_travels():
    local = contextvars.ContextVar("local", default=(1,))
    again, same = copied((local, local))
    assert again is same
    assert copied(local) is again  # once in a process
    assert (again.name, again.get()) == ("local", (1,))
    assert copied(copied(local)) is again
    with pytest.raises(LookupError):
        copied(contextvars.ContextVar("without a default")).get()


def test_one_of_a_module_is_the_modules_own():
    assert copied(sys.modules["decimal"].localcontext) is not None
    from batchmill.concurrency import event_loop

    assert copied(event_loop._around) is event_loop._around


@pytest.mark.parametrize("executor", ["sequential", "thread", "process", "auto"])
def test_what_is_set_here_is_set_for_the_items(executor):
    inner = contextvars.ContextVar("inner", default="unset")

    def look(n):
        seen = plain.get(), inner.get(), bare.get("nothing")
        inner.set("left behind by an item")
        return seen

    tokens = [(one, one.set(value)) for one, value in ((plain, "here"), (inner, {"id": 7}))]
    try:
        first = batchmill.map(look, [0], executor=executor)
    finally:
        for one, token in tokens:
            one.reset(token)
    assert list(first) == [("here", {"id": 7}, "nothing")]
    assert list(batchmill.map(look, [0], executor=executor)) == [("unset", "unset", "nothing")]


def test_a_value_that_cannot_travel_stays_here_and_fails_nothing():
    token = plain.set(io.TextIOWrapper(io.BytesIO()))
    try:
        assert list(batchmill.map(lambda n: plain.get(), [0], executor="process")) == ["unset"]
    finally:
        plain.reset(token)


class _Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ([{"result": 1, "stdout": ""}, None], True),
        (range(3), True),
        ([{"result": [1]}], False),  # what is inside could be anything
        ([{"result": print}], False),
        ([{_Text("result"): 1}], False),
        ([[{"result": 1}]], False),
        ([{"result": 1}] * 17, False),  # the look would take longer than it saves
    ],
)
def test_a_few_objects_of_plain_values_are_plain(value: object, plain: bool) -> None:
    assert pickler.is_plain(value) is plain
    assert pickler.loads(pickler.dumps(value, [])) == value
