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
    """The log for a run of the sub-workflow of ``node`` with these inputs: the journal, if it is no item.

    The work inside an item is kept until the whole item is done, in one place for all levels inside it.
    ``masker`` knows the secrets among the inputs. Yields None if nothing is kept.
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
    """The identity of an item, independent of its position among the items; None if there is no stable
    digest."""
    try:
        return digest_of(without_items(place), dict(inputs)).hex()
    except NoDigest:
        return None
