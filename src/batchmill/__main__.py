"""``python -m batchmill`` and the command ``batchmill``.

Until the command can answer for itself an interrupt just ends the process: loading it takes a tenth of
a second, and a traceback from the middle of somebody's imports tells nobody anything.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where a shell said to ignore it
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from batchmill.cli.main import main as command  # this is what takes so long


def main() -> None:
    """Run the command on the arguments of this process, and exit with its code."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command()


if __name__ == "__main__":
    main()
