"""What ``supcon`` and ``python -m supcon_ext`` start, and ``torchrun`` too."""

from __future__ import annotations

import os


def entry() -> None:
    """Run the command line; a Ctrl-C that comes while it is loaded is answered as any other."""
    try:
        from supcon_ext.cli import main
    except KeyboardInterrupt:
        os.write(2, b"Stopped: SIGINT\n")
        os._exit(130)
    main(prog_name="supcon")


if __name__ == "__main__":
    entry()
