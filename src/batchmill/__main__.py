"""``python -m batchmill`` is the command ``batchmill``."""

from batchmill.cli.main import main

if __name__ == "__main__":
    main()
