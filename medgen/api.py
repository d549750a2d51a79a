"""The verbs as functions.

``prepare`` -> ``train`` -> ``score`` -> ``report``: each reads only what the one before it wrote. ``inspect`` reads raw frames,
``audit`` a data set, ``reconstruct``, ``translate``, ``sample``, ``edit``, ``fid``, ``rank`` and ``evaluate`` a run; ``compare``
trains several backends and reports on all of them, ``compare_over_datasets`` does so for several data sets and
training sizes, ``compare_runs`` on finished runs; ``demo`` does it all on synthetic frames,
``prepare_archive`` and ``score_archive`` do so on many machines,
``doctor`` looks at the machine, and ``make_mnist_m`` makes a data set of digits. ``serve`` answers for runs over HTTP,
``view`` shows frames in the browser. Progress goes to a callback; nothing is printed.

In the examples names in capitals are paths: FRAMES a folder of raw frames, DATA what ``prepare`` made of it, RUN and OTHER_RUN
what ``train`` made of that, TRANSLATOR a run of a backend that translates, STUDY a study file, MNIST and PHOTOGRAPHS folders, OUT
an empty folder. ``api`` is this module. Paths may be texts, and where a function takes several, one path is enough.

A function is imported when it is first asked for, with what it needs and nothing else: who prepares frames never waits for torch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medgen.data.native.mnistm import make_mnist_m
    from medgen.data.preparing.elsewhere import prepare_elsewhere
    from medgen.data.preparing.inspect import inspect_source as inspect
    from medgen.data.preparing.prepare import prepare
    from medgen.data.tree.pseudonyms import reveal
    from medgen.recipes import known_recipes as recipes
    from medgen.registry import summaries as backends
    from medgen.runs.calibrating.calibrate import set_threshold
    from medgen.runs.settings import recipe
    from medgen.service.serve import serve
    from medgen.service.view.view import view
    from medgen.trust import trust_code
    from medgen.verbs.audit import audit
    from medgen.verbs.demo import demo
    from medgen.verbs.diagnosing.doctor import doctor
    from medgen.verbs.distance import fid
    from medgen.verbs.draw import reconstruct, sample
    from medgen.verbs.edit import edit, edit_photograph
    from medgen.verbs.exporting.export import export
    from medgen.verbs.external.evaluate import evaluate
    from medgen.verbs.figures.crop_steps import crop_steps
    from medgen.verbs.figures.data_figure import data_figure
    from medgen.verbs.in_memory.loaded import load
    from medgen.verbs.maps import maps
    from medgen.verbs.rank import rank
    from medgen.verbs.recalibrating.recalibrate import recalibrate
    from medgen.verbs.report import report
    from medgen.verbs.score import score
    from medgen.verbs.spread.prepare import prepare_archive
    from medgen.verbs.spread.score import score_archive
    from medgen.verbs.study.compare import compare, compare_runs
    from medgen.verbs.study.over_datasets import compare_over_datasets
    from medgen.verbs.study.settings import read_study, study_of
    from medgen.verbs.train import resume, train
    from medgen.verbs.translate import translate
    from medgen.verbs.verify import verify

__all__ = [
    "audit",
    "backends",
    "compare",
    "compare_over_datasets",
    "compare_runs",
    "crop_steps",
    "data_figure",
    "demo",
    "doctor",
    "edit",
    "edit_photograph",
    "evaluate",
    "export",
    "fid",
    "inspect",
    "load",
    "make_mnist_m",
    "maps",
    "prepare",
    "prepare_archive",
    "prepare_elsewhere",
    "rank",
    "read_study",
    "recalibrate",
    "recipe",
    "recipes",
    "reconstruct",
    "report",
    "resume",
    "reveal",
    "sample",
    "score",
    "score_archive",
    "serve",
    "set_threshold",
    "study_of",
    "train",
    "translate",
    "trust_code",
    "verify",
    "view",
]

_HOMES = {  # the module of each function and its name there: those that a type checker finds above
    "audit": "medgen.verbs.audit:audit",
    "backends": "medgen.registry:summaries",
    "compare": "medgen.verbs.study.compare:compare",
    "compare_over_datasets": "medgen.verbs.study.over_datasets:compare_over_datasets",
    "compare_runs": "medgen.verbs.study.compare:compare_runs",
    "crop_steps": "medgen.verbs.figures.crop_steps:crop_steps",
    "data_figure": "medgen.verbs.figures.data_figure:data_figure",
    "demo": "medgen.verbs.demo:demo",
    "doctor": "medgen.verbs.diagnosing.doctor:doctor",
    "edit": "medgen.verbs.edit:edit",
    "edit_photograph": "medgen.verbs.edit:edit_photograph",
    "evaluate": "medgen.verbs.external.evaluate:evaluate",
    "export": "medgen.verbs.exporting.export:export",
    "fid": "medgen.verbs.distance:fid",
    "inspect": "medgen.data.preparing.inspect:inspect_source",
    "load": "medgen.verbs.in_memory.loaded:load",
    "make_mnist_m": "medgen.data.native.mnistm:make_mnist_m",
    "maps": "medgen.verbs.maps:maps",
    "prepare": "medgen.data.preparing.prepare:prepare",
    "prepare_archive": "medgen.verbs.spread.prepare:prepare_archive",
    "prepare_elsewhere": "medgen.data.preparing.elsewhere:prepare_elsewhere",
    "rank": "medgen.verbs.rank:rank",
    "read_study": "medgen.verbs.study.settings:read_study",
    "recalibrate": "medgen.verbs.recalibrating.recalibrate:recalibrate",
    "recipe": "medgen.runs.settings:recipe",
    "recipes": "medgen.recipes:known_recipes",
    "reconstruct": "medgen.verbs.draw:reconstruct",
    "report": "medgen.verbs.report:report",
    "resume": "medgen.verbs.train:resume",
    "reveal": "medgen.data.tree.pseudonyms:reveal",
    "sample": "medgen.verbs.draw:sample",
    "score": "medgen.verbs.score:score",
    "score_archive": "medgen.verbs.spread.score:score_archive",
    "serve": "medgen.service.serve:serve",
    "set_threshold": "medgen.runs.calibrating.calibrate:set_threshold",
    "study_of": "medgen.verbs.study.settings:study_of",
    "train": "medgen.verbs.train:train",
    "translate": "medgen.verbs.translate:translate",
    "trust_code": "medgen.trust:trust_code",
    "verify": "medgen.verbs.verify:verify",
    "view": "medgen.service.view.view:view",
}


def _taking_texts(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that takes texts where it takes paths, and one path where it takes several."""
    declared = signature(function)
    kinds = {name: str(parameter.annotation) for name, parameter in declared.parameters.items()}

    @wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        try:
            given = declared.bind(*arguments, **named)
        except TypeError:
            return function(*arguments, **named)  # its own error names it
        for name, value in given.arguments.items():
            if "Path" in kinds[name] and "str" not in kinds[name]:
                given.arguments[name] = _paths(value, several="Sequence" in kinds[name])
        return function(*given.args, **given.kwargs)

    return called


def _paths(value: Any, *, several: bool) -> Any:
    if several:
        return [_paths(one, several=False) for one in ([value] if isinstance(value, str | Path) else value)]
    return Path(value) if isinstance(value, str) else value


if not TYPE_CHECKING:  # which would take any name for one that exists

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, _, attribute = _HOMES[name].partition(":")
        function = globals()[name] = _taking_texts(getattr(import_module(module), attribute))
        return function

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
