"""The job of a batch as agents get it, and as it runs on the machine of one."""

from __future__ import annotations

import os
import pickle
import socket
import sys
from typing import NamedTuple

from batchmill.errors import ExecutorUnavailable
from batchmill.executors.contract import ExecutorSettings
from batchmill.executors.process.environment import ProcessEnvironment
from batchmill.executors.remote.folder_probe import Probe, seen, unshared
from batchmill.executors.remote.library import Copy, Library
from batchmill.executors.remote.modules import Modules

OWN_ENVIRONMENT = dict(os.environ)
OWN_PATH = [entry for entry in sys.path if entry]  # the empty one is the current folder, any


class RemoteJob(NamedTuple):
    """The job of a batch, as its agents get it. ``retry`` is the pickle of the policy; its replacement in
    ``settings`` decides about lost attempts. ``around`` is the pickle of the parent's environment; with
    ``here`` items run in it unchanged. Elsewhere the environment is the worker's own, and so is the folder
    ``cwd``, if given. If the worker does not see the ``probe``, items run in an empty folder; ``needs`` says
    in words why they cannot, "" if they can. ``modules`` are the user's modules that travel along, ``env``
    the variables."""

    task: bytes
    retry: bytes
    settings: ExecutorSettings
    around: bytes
    here: bool
    cwd: str | None
    probe: Probe | None
    needs: str = ""
    modules: Modules | None = None
    env: tuple[tuple[str, str], ...] = ()


class LoadedJob(NamedTuple):
    """A job as it runs here: ``around`` is the pickle of the environment, ``place`` our folder that it refers
    to, ``copy`` that of the modules."""

    job: RemoteJob
    around: bytes
    place: str
    copy: Copy | None

    def is_whole(self, place: str) -> bool:
        """Whether its files still exist; our folder is now ``place``."""
        return self.place == place and (self.copy is None or os.path.isdir(self.copy.path))


def loaded(job: RemoteJob, place: str, library: Library) -> LoadedJob:
    """A job with the environment of its items here. Raises :class:`ExecutorUnavailable` if the items need the
    folder of the run, would get another one, and the settings do not permit that."""
    around: ProcessEnvironment = pickle.loads(job.around)  # noqa: S301  # from who may have us run anything
    around.seals = True
    if job.here:
        return LoadedJob(job, pickle.dumps(around, 5), place, None)
    around.elsewhere = True
    shared = job.probe is not None and seen(job.probe)
    if job.cwd is not None:
        around.folder = os.path.abspath(job.cwd)
    elif not shared:
        if job.needs:
            raise ExecutorUnavailable(unshared(around.folder, socket.gethostname(), job.needs))
        around.apart, around.folder = True, os.path.join(place, "items")
    around.environment, around.path = {**OWN_ENVIRONMENT, **dict(job.env)}, list(OWN_PATH)
    copy = None
    if job.modules is not None:
        copy = library.unpacked(job.modules, place, shared=shared)
        around.path = list(dict.fromkeys([*copy.before, *OWN_PATH, *copy.after]))
    return LoadedJob(job, pickle.dumps(around, 5), place, copy)
