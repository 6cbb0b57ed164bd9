"""``python -m batchmill`` and the command ``batchmill``.

Until the command is loaded, which takes a tenth of a second, an interrupt just ends the process: a traceback
from the middle of an import would help nobody.
"""

import gc
import os
import signal
from types import FrameType


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


_answers = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not where it is to be ignored
if _answers:
    signal.signal(signal.SIGINT, _leave)

gc.disable()  # nothing of what is loaded goes away again
from batchmill import loading  # noqa: E402
from batchmill.cli.main import main as command  # noqa: E402  # it is this that takes so long

gc.enable()


def main() -> None:
    """Run the command on the arguments of this process, and exit with its code."""
    loading.begin()
    command(ready=_ready)


def _ready() -> None:
    """All is loaded: from here on an interrupt is an exception."""
    loading.loaded()
    if _answers:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    main()
