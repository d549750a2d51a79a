"""The verbs as functions.

``prepare`` -> ``train`` -> ``score`` -> ``report``: each reads only what the one before it wrote. ``inspect`` reads raw frames,
``audit`` a data set, ``reconstruct``, ``translate``, ``sample``, ``edit``, ``fid`` and ``rank`` a run; ``compare`` trains several
backends and reports on all of them, ``compare_runs`` on finished runs; ``demo`` does it all on synthetic frames, and
``make_mnist_m`` makes a data set of digits. Progress goes to a callback; nothing is printed.

In the examples names in capitals are paths: FRAMES a folder of raw frames, DATA what ``prepare`` made of it, RUN and OTHER_RUN
what ``train`` made of that, TRANSLATOR a run of a backend that translates, STUDY a study file, MNIST and PHOTOGRAPHS folders, OUT
an empty folder. ``api`` is this module.
"""

from medgen.data.native.mnistm import make_mnist_m
from medgen.data.preparing.inspect import inspect_source as inspect
from medgen.data.preparing.prepare import prepare
from medgen.registry import summaries as backends
from medgen.runs.calibrate import set_threshold
from medgen.runs.settings import recipe
from medgen.verbs.audit import audit
from medgen.verbs.demo import demo
from medgen.verbs.distance import fid
from medgen.verbs.draw import reconstruct, sample
from medgen.verbs.edit import edit
from medgen.verbs.figures.crop_steps import crop_steps
from medgen.verbs.maps import maps
from medgen.verbs.rank import rank
from medgen.verbs.report import report
from medgen.verbs.score import score
from medgen.verbs.study.compare import compare, compare_runs
from medgen.verbs.study.settings import read_study, study_of
from medgen.verbs.train import resume, train
from medgen.verbs.translate import translate

__all__ = [
    "audit",
    "backends",
    "compare",
    "compare_runs",
    "crop_steps",
    "demo",
    "edit",
    "fid",
    "inspect",
    "make_mnist_m",
    "maps",
    "prepare",
    "rank",
    "read_study",
    "recipe",
    "reconstruct",
    "report",
    "resume",
    "sample",
    "score",
    "set_threshold",
    "study_of",
    "train",
    "translate",
]
