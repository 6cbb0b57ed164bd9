"""The folders of a batch node's items: where they are, and how they are reported."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from batchmill.block import Block
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.frame import NodeFrame
from batchmill.ir.models.workdirs import Keep, Workdir
from batchmill.journal.contract import ItemLog
from batchmill.journal.folders import make_own
from batchmill.journal.log_around import LogAround
from batchmill.journal.places import own_place
from batchmill.outcome import Outcome
from batchmill.step import FilesToKeep, ItemFolders
from batchmill.template import compile_value

_ITEM = re.compile(r"\[(\d+)\]")


def folders_of(node: PlannedNode, around: NodeFrame, keyed: tuple[object, ...]) -> ItemFolders | None:
    """The folders of the items of a batch node, whose keys are derived from ``keyed``; None if items have
    none."""
    workdir = Workdir.of(node.spec.workdir)
    if workdir is None:
        return None
    run, here = str(around.services.run.get("id", "")), os.getcwd()
    make_own(Path(own_place(here)))
    place = _ITEM.sub(r"/\1", around.place(node.id)).replace(".", "/")
    if workdir.within is None:
        root = own_place(here, "work", run)
    else:
        root = os.path.join(here, os.path.expanduser(workdir.within), run)
    keep = Keep.of(node.spec.keep)
    kept = None
    if keep is not None:
        kept = FilesToKeep(
            keep.patterns,
            os.path.join(own_place(here, "kept", run), place),
            here,
            None if keep.to is None else compile_value(keep.to),
            keep.required,
            around.services.files,
            f"`{around.place(node.id)}`",
        )
    return ItemFolders(os.path.join(root, place), root, keyed, workdir.remove, kept)


class NamingLog(LogAround):
    """A log that adds the folder that a failed item left to its error before recording it.

    Concurrency: that of the log.
    """

    def __init__(self, log: ItemLog | None, folders: ItemFolders) -> None:
        super().__init__(log)
        self._folders = folders

    def record(self, block: Block) -> None:
        for offset, outcome in list(block.special.items()):
            if outcome.error is not None and outcome.attempts:
                block.replace(offset, self._named(outcome, block.items[offset]))
        super().record(block)

    def _named(self, outcome: Outcome, item: object) -> Outcome:
        *_, last = ["", *self._folders.all_of(self._folders.name_of(item, outcome.index))]
        error = outcome.error
        if not last or error is None or last in error.message:
            return outcome
        return replace(outcome, error=replace(error, message=f"{error.message}; its folder is {last}"))
