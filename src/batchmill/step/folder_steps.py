"""Steps of batch nodes whose items have a folder each: made for every attempt, around the whole of it."""

from __future__ import annotations

import os
from typing import Any

from batchmill.attempt import Attempt
from batchmill.nodes import Node
from batchmill.step.item_folders import ItemFolders
from batchmill.step.item_steps import AsyncItemStep, ItemStep, PlacedItemStep
from batchmill.step.namespace import Namespace
from batchmill.step.params import StepParams
from batchmill.step.step import can_be_awaited


class _InFolders(ItemStep):
    def __init__(self, *args: Any, folders: ItemFolders, **more: Any) -> None:
        to = None if folders.keep is None else folders.keep.to
        super().__init__(*args, **more, also=() if to is None else to.references)
        self._folders = folders
        within = os.path.join(os.getcwd(), "")
        self._here = folders.keep is not None or folders.root.startswith(within)

    @property
    def folders_here(self) -> bool:
        return self._here


class FolderItemStep(_InFolders):
    """An :class:`~batchmill.step.ItemStep` in folders."""

    def run(self, item: Any, index: int, attempt: Attempt) -> Any:
        with self._folders.of(item, index, attempt) as own:
            value = super().run(item, index, own.attempt)
            return own.finished(value, lambda: self._scope_of(item, index, own.path))


class FolderAsyncItemStep(_InFolders, AsyncItemStep):
    """The same for a node with ``run_async``."""

    async def run_async(self, item: Any, index: int, attempt: Attempt) -> Any:
        with self._folders.of(item, index, attempt) as own:
            value = await super().run_async(item, index, own.attempt)
            return own.finished(value, lambda: self._scope_of(item, index, own.path))

    def run(self, item: Any, index: int, attempt: Attempt) -> Any:
        with self._folders.of(item, index, attempt) as own:
            value = super().run(item, index, own.attempt)
            return own.finished(value, lambda: self._scope_of(item, index, own.path))


class FolderPlacedItemStep(FolderItemStep, PlacedItemStep):
    """The same for a node with ``run_item``: what :class:`FolderItemStep` calls is there."""


def folder_step(
    node: Node, params: StepParams, namespace: Namespace, folders: ItemFolders, **told: object
) -> ItemStep:
    """The step of a batch node whose items have ``folders``; ``told`` are the other arguments of
    :class:`~batchmill.step.ItemStep`."""
    kind: type[_InFolders] = FolderItemStep
    if callable(getattr(node, "run_item", None)):
        kind = FolderPlacedItemStep
    elif can_be_awaited(node):
        kind = FolderAsyncItemStep
    return kind(node, params, namespace, folders=folders, **told)
