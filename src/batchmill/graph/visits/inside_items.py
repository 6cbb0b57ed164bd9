"""Where the inside of a sub-workflow run is saved and searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from batchmill.attempt import Attempt
from batchmill.errors import Stopped
from batchmill.graph.frame import NodeFrame
from batchmill.journal.contract import RunLog
from batchmill.journal.digest import NoDigest, digest_of
from batchmill.journal.inside_log import InsideLog
from batchmill.values.masking import Masker
from batchmill.values.words import without_items


@contextmanager
def log_inside(
    around: NodeFrame,
    node: str,
    index: int | None,
    inputs: Mapping[str, object],
    attempt: Attempt,
    masker: Masker,
) -> Iterator[RunLog | None]:
    """The log of a run of the sub-workflow of ``node`` with these inputs: of one that is no item the journal.

    Of an item the inside is kept until the item as a whole is there: for all that is inside of that in one
    place. ``masker`` knows the secrets among the inputs. Yields None if nothing is kept.
    """
    if index is None:
        yield around.log
        return
    content = None if around.anew else _content(around.place(node), inputs)
    if content is None:
        yield None
        return
    if isinstance(around.log, InsideLog):
        yield around.log.inside(content)
        return
    if around.services.items is None:
        yield None
        return
    log = around.services.items.begin(around.place(node), index, content, attempt.number, masker)
    failed = True
    try:
        yield log
        failed = False
    except Stopped:
        failed = False
        raise
    finally:
        log.close(failed=failed)


def _content(place: str, inputs: Mapping[str, object]) -> str | None:
    """What an item is known by, wherever among the items it stands; None if that cannot be told."""
    try:
        return digest_of(without_items(place), dict(inputs)).hex()
    except NoDigest:
        return None
