"""Numbers for what is at work at once."""

import os

from batchmill.nodes.slots import slot


def test_the_lowest_that_is_free(tmp_path):
    with slot(str(tmp_path)) as one, slot(str(tmp_path)) as two:
        assert (one, two) == (1, 2)
    with slot(str(tmp_path)) as one:
        assert one == 1


def test_a_number_is_free_though_a_command_that_is_starting_has_the_descriptor(tmp_path):
    with slot(str(tmp_path)):
        held = [fd for fd in os.listdir("/proc/self/fd") if _leads_to(fd, tmp_path / "slot-1")]
        copies = [os.dup(int(fd)) for fd in held]
    try:
        assert copies
        with slot(str(tmp_path)) as again:
            assert again == 1
    finally:
        for copy in copies:
            os.close(copy)


def _leads_to(fd, path):
    try:
        return os.readlink(f"/proc/self/fd/{fd}") == str(path)
    except OSError:  # that of the listing itself
        return False
