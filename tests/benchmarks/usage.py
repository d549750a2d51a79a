"""How a script of measurements is called: the line of its docstring that says so, held against the words that came."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

CALL = re.compile(r"python (tests/\w+/\w+\.py)((?: [^\s`]+)*)")  # up to a remark behind two spaces, a backtick or the line's end


def limits(form: str) -> tuple[int, int | None]:
    """Return how many words a call such as ``A B [C [D]]`` has at least and at most; None: any number (``A...``, ``[A ...]``)."""
    least, most, depth = 0, 0, 0
    for word in form.split():
        depth += word.count("[")
        if word.strip("[]."):
            most += 1
            least += depth == 0
        depth -= word.count("]")
    return least, None if "..." in form else most


def arguments(doc: str | None, words: Sequence[str] | None = None) -> list[str]:
    """Return the words behind the script's name, as many as the docstring says.

    Parameters
    ----------
    doc : docstring of the script; each way to call it is a line ``python tests/FOLDER/SCRIPT.py FORM``
    words : None takes those of the command line

    Raises
    ------
    SystemExit : with the docstring for ``--help``; with status 2 and the usage for too few words or too many.
    """
    given, calls = list(sys.argv[1:] if words is None else words), CALL.findall(doc or "")
    if set(given) & {"-h", "--help"}:
        sys.stdout.write(f"{doc}\n")
        raise SystemExit(0)
    allowed = [limits(form) for _, form in calls]
    if any(least <= len(given) and (most is None or len(given) <= most) for least, most in allowed):
        return given
    usage = "\n".join(f"usage: python {script}{form}" for script, form in calls)
    sys.stderr.write(f"{usage}\n{len(given)} given; --help says more\n")
    raise SystemExit(2)
