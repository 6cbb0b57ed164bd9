"""Slots of clusters: one for each slot of a host, whatever the numbers of workers were at the time."""

from __future__ import annotations

from batchmill.report.slot_names import SlotNames


def test_workers_of_two_passes_are_the_same_slot_where_host_and_slot_are() -> None:
    names = SlotNames()
    names.begin("n", 100.0)
    names.join("n", 0, "a", 0)
    names.join("n", 1, "b", 0)
    names.begin("n", 200.0)
    names.join("n", 0, "b", 0)
    names.join("n", 1, "c", 0)
    assert names.names("n") == ["a/0", "b/0", "c/0"]
    moments, workers = [101.0, 101.0, 199.9, 200.0, 250.0], [0, 1, 0, 0, 1]
    assert names.slots("n", moments, workers) == [0, 1, 0, 1, 2]
    assert (names.host("n", 1), names.name("n", 2), names.host("n", None)) == ("b", "c/0", "")


def test_workers_of_this_machine_beside_those_of_a_cluster_have_slots_of_their_own() -> None:
    names = SlotNames()
    names.begin("n", 100.0)
    names.begin("n", 200.0)
    names.join("n", 0, "a", 0)
    assert names.slots("n", [101.0, 201.0, 102.0], [0, 0, 1]) == [1, 0, 2]
    assert names.names("n") == ["a/0", "0", "1"]
    assert names.host("n", 1) == ""


def test_other_nodes_keep_their_numbers() -> None:
    names = SlotNames()
    names.begin("m", 100.0)
    workers = [3, 1]
    assert names.slots("m", [101.0, 102.0], workers) is workers
    assert names.slot("m", 101.0, 3) == 3
    assert (names.names("m"), names.name("m", 3)) == ((), "")
