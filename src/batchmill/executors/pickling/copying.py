"""Copy a task for a worker thread, and name the part of one that cannot be copied."""

from __future__ import annotations

import copy

from batchmill.errors import NotCopyable
from batchmill.executors.contract import Task
from batchmill.executors.describe import text_of
from batchmill.executors.pickling.blame import blame


def copy_task(task: Task) -> Task:
    """A deep copy, or the task itself if it may be shared.

    Raises :class:`NotCopyable` naming the attribute at fault, such as a lock. A node that holds one can
    define ``__deepcopy__`` to control its copies.
    """
    if task.share:
        return task
    try:
        return copy.deepcopy(task)
    except Exception as fault:
        where = blame(task, _copy, root="task")
        raise NotCopyable(
            f"{where} cannot be copied for a worker thread ({type(fault).__name__}: {text_of(fault)}); "
            "create it in `run` or `exec`, or define __deepcopy__ on the node"
        ) from fault


def _copy(value: object) -> None:
    copy.deepcopy(value)
