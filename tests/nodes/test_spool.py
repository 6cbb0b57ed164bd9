"""What a command prints, whole, in memory or in a file."""

import os
import stat

import pytest

from batchmill.nodes.slots import slot
from batchmill.nodes.spool import Spool


def filled(folder, pieces, in_memory=10):
    spool = Spool(str(folder), "stdout", in_memory)
    for piece in pieces:
        spool.add(piece)
    spool.close()
    return spool


@pytest.mark.parametrize("pieces", [[], [b"abc"], [b"abcde", b"fghij"]])
def test_little_is_held(tmp_path, pieces):
    spool = filled(tmp_path, pieces)
    assert (spool.value(), spool.path, spool.size) == (b"".join(pieces), None, len(b"".join(pieces)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pieces", [[b"abcde", b"fghijk"], [b"x" * 11], [b"ab\xff", b"y" * 9000, b"z"]])
def test_much_goes_to_a_file_of_the_users_own(tmp_path, pieces):
    whole = b"".join(pieces)
    spool = filled(tmp_path, pieces)
    with open(spool.path, "rb") as file:
        assert file.read() == whole
    assert stat.S_IMODE(os.stat(spool.path).st_mode) == 0o600
    assert os.path.basename(spool.path).startswith("stdout.")
    assert whole.endswith(spool.value()), "for messages its end is at hand"
    assert len(spool.value()) >= min(len(whole), 4096)
    assert spool.size == len(whole)
    spool.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_made_is_told_and_the_command_goes_on(tmp_path):
    spool = filled(tmp_path / "none", [b"abc", b"x" * 100, b"y" * 100])
    assert isinstance(spool.fault, FileNotFoundError)
    assert spool.size == 203


def test_slots_are_the_lowest_that_are_free(tmp_path):
    with slot(str(tmp_path)) as first:
        with slot(str(tmp_path)) as second:
            assert (first, second) == (1, 2)
        with slot(str(tmp_path)) as again:
            assert again == 2
    with slot(str(tmp_path)) as last:
        assert last == 1
