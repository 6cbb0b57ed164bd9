"""Which error leads to which exit code."""

import pytest

from batchmill import errors
from batchmill.cli.exits import OF_STATUS, Exit, is_expected, of_error

CODES = [
    (errors.InvalidDocument(()), 2),
    (errors.InvalidSetting("x"), 2),
    (errors.TemplateSyntaxError("x"), 2),
    (errors.UnknownNodeType("x"), 2),
    (errors.StorageError("x"), 5),
    (errors.ExecutorUnavailable("x"), 5),
    (errors.MissingExtra("dask", "x"), 5),
    (errors.BrokenNodeType("x", "y"), 5),
    (OSError(28, "No space left on device"), 5),
    (errors.InternalError("x"), 1),
    (RuntimeError("x"), 1),
    (errors.Interrupted(2), 130),
    (errors.Interrupted(15), 143),
    (KeyboardInterrupt(), 130),
]


@pytest.mark.parametrize(("error", "code"), CODES, ids=lambda value: type(value).__name__)
def test_code_of_error(error, code):
    assert of_error(error) == code


def test_code_of_status():
    codes = {"success": Exit.SUCCESS, "degraded": Exit.DEGRADED, "failed": Exit.FAILED}
    assert {**codes, "waiting": Exit.WAITING} == OF_STATUS
    assert [int(code) for code in OF_STATUS.values()] == [0, 3, 1, 6]


def test_what_is_no_fault_of_ours():
    assert is_expected(errors.StorageError("x"))
    assert is_expected(FileNotFoundError())
    assert not is_expected(ZeroDivisionError())
