"""A process that trains and scores one run of a study: ``python -m medgen.verbs.study.worker``, with its job on stdin.

It is told by lines of JSON and tells by such lines, on stdout: progress, and at the end how it went. "stop" on stdin is to end
after the current step; the end of stdin is the end of the process that started this one, and is to end at once.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def main() -> None:
    """Do the job."""
    lines = _lines()
    told, stopped = json.loads(next(lines)), threading.Event()
    threading.Thread(target=_obey, args=(lines, stopped.set), daemon=True).start()
    tell = _teller()
    from medgen.verbs.study.entries import at_length, why

    try:
        _work(told, tell, stopped.is_set)
    except Exception as error:
        tell({"ended": [why(Path(told["folder"]).name, error), at_length(error)]})
    else:
        tell({"ended": []})


def _lines() -> Iterator[str]:
    """Yield the lines of stdin, read without Python's own buffers: their lock would be held by a thread at the end."""
    rest = b""
    while piece := os.read(0, 65536):
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode() for line in whole)


def _obey(lines: Iterator[str], stop: Callable[[], None]) -> None:
    for _ in lines:
        stop()
    os._exit(1)


def _teller() -> Callable[[dict[str, Any]], None]:
    """Return what writes a line to stdout, which from now on is stderr for everybody else: libraries print."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    def tell(said: dict[str, Any]) -> None:
        channel.write(json.dumps(said) + "\n")
        channel.flush()

    return tell


def _work(told: dict[str, Any], tell: Callable[[dict[str, Any]], None], stop: Callable[[], bool]) -> None:
    """Train the run, or go on with it, and score its test frames."""
    from medgen.runs.scores import score_rows, scores_folder
    from medgen.runs.settings import RunSettings
    from medgen.trust import trust_code
    from medgen.types import Progress
    from medgen.verbs.results import open_split
    from medgen.verbs.study.same_frames import AT_A_TIME
    from medgen.verbs.study.settings import StudySettings
    from medgen.verbs.study.study_runs import Job, RunContext, train_or_reuse

    def on_progress(progress: Progress) -> None:
        tell(progress._asdict())

    for digest in told["trusted"]:
        trust_code(digest)
    study = StudySettings.parse(told["study"])
    job = Job(told["entry"], Path(told["folder"]), RunSettings.parse(told["settings"]), told["minutes"])
    device, runtime = told["device"], told["runtime"]
    context = RunContext(Path(told["out"]), device, told["command"], on_progress, stop, runtime, told["jobs"])
    run = train_or_reuse(job, study, context)
    if run is not None:
        run = run.with_facts(**{AT_A_TIME: str(context.jobs)})
    if run is not None and not stop():
        data, rows = open_split(run, Path(study.dataset))
        folder = scores_folder(run, data, "test", run.folder)
        score_rows(run, data, rows, folder, device=device, runtime=runtime, on_progress=on_progress)


if __name__ == "__main__":
    main()
