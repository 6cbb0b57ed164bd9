"""What is charged to whom when workers of a cluster are lost."""

from __future__ import annotations

from batchmill.executors.remote.losses import MOST_LOSSES, Losses


def test_an_item_is_charged_with_its_third_loss_and_the_error_names_the_workers() -> None:
    losses = Losses()
    assert losses.note(4, "node7") is None
    assert losses.note(4, "node9") is None
    error = losses.note(4, "node7")
    assert error is not None
    assert error.kind == "worker_died"
    assert error.message == "was running when 3 workers of the cluster were lost (node7, node9, node7)"


def test_one_that_was_lost_twice_is_a_suspect_until_it_is_charged() -> None:
    losses = Losses()
    told = []
    for _ in range(MOST_LOSSES):
        told.append(losses.suspects(4))
        losses.note(4, "a")
    assert told == [False, False, True]
    assert not losses.suspects(4)
    assert not losses.suspects(5)


def test_a_large_chunk_is_not_taken_apart_at_once() -> None:
    losses = Losses()
    assert (losses.part(0, 16_384), losses.part(0, 33), losses.part(0, 32)) == (128, 5, 1)
    losses.note(0, "a")
    assert losses.part(0, 16_384) == 128
    losses.note(0, "b")
    assert losses.part(0, 128) == 1  # the third loss must be of one item


def test_one_loss_is_told_once_however_many_orders_it_cost() -> None:
    losses = Losses()
    assert losses.is_new("w", order=3, last=5)
    assert not losses.is_new("w", order=5, last=5)
    assert losses.is_new("v", order=4, last=5)
    assert losses.is_new("w", order=6, last=6)  # a worker that was started anew under the same name
