"""The entries of a study that can be trained, and the runs that they ask for; the page tells of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from traceback import format_exception
from typing import NamedTuple

import pandas as pd

from medgen.errors import MedgenError, in_one_line
from medgen.files import write_text
from medgen.report.study.comparison import Failure
from medgen.runs.settings import RunSettings
from medgen.types import Progress
from medgen.verbs.study.same_frames import check_same, identity
from medgen.verbs.study.settings import StudySettings
from medgen.verbs.study.study_runs import Job, RunContext, ask, check_reusable, is_begun, jobs_of, open_entry

FAILURES = "failures"  # folder of a study: what is to be known of a failure that is a bug


class Usable(NamedTuple):
    """An entry that can be set up.

    Attributes
    ----------
    settings : its recipe
    memory : bytes that its training takes at least; 0 where all its runs are finished
    """

    settings: RunSettings
    memory: int


def usable_entries(
    study: StudySettings, recipes: Mapping[str, RunSettings], failures: list[Failure], context: RunContext
) -> dict[str, Usable]:
    """Return the entries that can be set up, and add the others to the failures; refuse what would be found wrong hours later.

    Raises
    ------
    RunError : if an entry has other test frames than the first, or a run is there that was not trained as the study says.
    """
    entries: dict[str, Usable] = {}
    first: tuple[str, pd.DataFrame] | None = None
    for entry, settings in recipes.items():
        if context.stop():
            break
        try:
            inputs = open_entry(study, settings)
            begun = jobs_of(study, entry, inputs, context) if is_begun(study, entry, context) else []
            memory = ask(inputs, entry, begun, context)
        except Exception as error:
            failures.append(failed(entry, error, context))
            continue
        frames = identity(inputs.data, inputs.data.rows("test"))
        first = first or (entry, frames)
        check_same(*first, entry, frames)
        for job in begun:
            check_reusable(job, study.dataset)
        entries[entry] = Usable(settings, memory)
    return entries


def jobs_of_entries(
    study: StudySettings, entries: Mapping[str, Usable], failures: list[Failure], context: RunContext
) -> Iterator[Job]:
    """Yield the runs that a study asks for.

    How fast an entry trains is measured when it is its turn, so that the first training begins soon. An entry that cannot be
    trained within the budget is added to the failures.
    """
    for entry, usable in entries.items():
        if context.stop():
            return
        try:
            jobs = jobs_of(study, entry, open_entry(study, usable.settings), context)
        except Exception as error:
            failures.append(failed(entry, error, context))
        else:
            yield from jobs


def at_length(error: Exception) -> str:
    """Return all that is to be known of an error that is a bug, and "" for one that was raised on purpose."""
    return "" if isinstance(error, MedgenError) else "".join(format_exception(error))


def why(name: str, error: Exception) -> str:
    """Return in one line why an entry or a run failed."""
    return in_one_line(error, f"{FAILURES}/{name}.txt has more")


def failed(name: str, error: Exception, context: RunContext) -> Failure:
    """Return why an entry or a run failed, and write a bug down at length."""
    return note_failure(Failure(name, why(name, error)), at_length(error), context)


def note_failure(failure: Failure, length: str, context: RunContext) -> Failure:
    """Tell of a failure, write down what is to be known of it (nothing for ""), and return it."""
    if length:
        write_text(context.out / f"{FAILURES}/{failure.name}.txt", length)
    context.on_progress(Progress("compare", 0, 0, {}, f"{failure.name} failed: {failure.reason}"))
    return failure
