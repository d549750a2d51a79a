"""A process of a training that another one started for a further device: ``python -m medgen.verbs.several.child PLACE``."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable

READY = b"ready\n"


def end_with(parent: Callable[[], bytes]) -> None:
    """End this process when its parent does, which holds the other end of what `parent` reads."""

    def wait() -> None:
        parent()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    """Train beside the process that started this one; an error is one line on stderr."""
    end_with(sys.stdin.buffer.read)
    from medgen.engine.several.place import Place
    from medgen.errors import in_one_line
    from medgen.verbs.several.job import follow

    for name in ("rank_zero", "distributed"):
        logging.getLogger(f"lightning_fabric.utilities.{name}").setLevel(logging.WARNING)
    place, device, precision = json.loads(sys.argv[1])
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    try:
        follow(Place(*place), device, precision)
    except Exception as error:
        sys.stderr.write(f"{in_one_line(error)}\n")
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)  # without waiting for libraries that tidy up


if __name__ == "__main__":
    main()
