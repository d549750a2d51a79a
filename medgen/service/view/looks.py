"""What runs make of frames: one thread scores them in the background, the frame that is looked at before all others.

Scores stay in memory, a few numbers a frame; pictures and maps only of the frames that were looked at last.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgen.data.dataset import make_batch
from medgen.data.scorable import is_scored
from medgen.errors import MedgenError
from medgen.files import json_values
from medgen.runs.in_memory import Seen
from medgen.service.view.frames import Frame, FrameList, box_of
from medgen.verbs.in_memory.loaded import LoadedRun

BLOCK = 16  # frames scored at once in the background: the frame that is looked at waits for no more
ASKED = 4  # frames that wait to be looked at, at the most; the oldest is given up
KEPT = 48  # frames whose pictures stay in memory


class GivenUpError(Exception):
    """So many frames were asked for since that this one is no longer looked at."""


@dataclass(frozen=True)
class Look:
    """What one run makes of one frame.

    Attributes
    ----------
    facts : score, quantile, p_value, abnormal, status, box, height, width, as `json_values` gives them
    crop : (S, S, C) uint8
    valid : (S, S) bool
    scores : (S, S) float32, the map, NaN where not valid; None where there is none
    reconstruction : (S, S, C) uint8; None where there is none
    """

    facts: dict[str, Any]
    crop: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    scores: NDArray[np.float32] | None
    reconstruction: NDArray[np.uint8] | None


Looks = Sequence[Look]


class Scorer:
    """Scores the frames of a list by several runs, in a thread of its own from `start` to `stop`.

    Attributes
    ----------
    models : the runs
    busy : held while a model computes
    """

    def __init__(self, models: Sequence[LoadedRun], frames: FrameList) -> None:
        self.models, self._frames = models, frames
        self.busy = threading.Lock()
        self._wake = threading.Condition()
        self._asked: OrderedDict[int, Future[Looks]] = OrderedDict()
        self._kept: OrderedDict[int, Looks] = OrderedDict()
        self._results: dict[int, list[dict[str, Any]]] = {}
        self._order: list[int] = []  # of the frames with results, as they came
        self._next, self._stopping = 0, False
        self._thread = threading.Thread(target=self._work, name="scorer", daemon=True)

    def start(self) -> None:
        """Begin to score."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, once what it computes is done."""
        self.give_up()
        if self._thread.is_alive():
            self._thread.join()

    def give_up(self) -> None:
        """Let nobody wait any longer, and begin nothing new."""
        with self._wake:
            self._stopping = True
            for future in self._asked.values():
                future.cancel()
            self._wake.notify_all()

    def wake(self) -> None:
        """Tell that there are new frames."""
        with self._wake:
            self._wake.notify_all()

    @property
    def done(self) -> int:
        """How many frames have their scores."""
        return len(self._order)

    def since(self, start: int, count: int) -> list[tuple[int, list[dict[str, Any]]]]:
        """Return the numbers of up to `count` frames and their scores by each run, from the `start`-th that was done on."""
        return [(number, self._results[number]) for number in self._order[start : start + count]]

    def look(self, number: int, patience: float = 120.0) -> Looks:
        """Return what the runs make of a frame, before all frames that nobody looks at.

        Raises
        ------
        GivenUpError : if others were asked for since.
        MedgenError : if the frame cannot be read.
        """
        with self._wake:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
            if self._stopping:
                raise GivenUpError
            future = self._asked.setdefault(number, Future())
            self._asked.move_to_end(number)
            while len(self._asked) > ASKED:
                self._asked.popitem(last=False)[1].cancel()
            self._wake.notify_all()
        try:
            return future.result(patience)
        except (TimeoutError, CancelledError) as error:
            raise GivenUpError from error

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._stopping and not self._asked and self._next >= len(self._frames):
                    self._wake.wait()
                if self._stopping:
                    return
                asked = next(reversed(self._asked), None)
                future = None if asked is None else self._asked.pop(asked)
            if asked is not None and future is not None:
                self._answer(asked, future)
            else:
                self._go_on()

    def _answer(self, number: int, future: Future[Looks]) -> None:
        if not future.set_running_or_notify_cancel():
            return None
        if number in self._kept:
            return future.set_result(self._kept[number])
        try:
            looks = [self._see(model, [self._frames[number]])[0] for model in self.models]
        except Exception as error:  # a reader fails in any way, and the next frame is to be looked at all the same
            self._note(number, [{"status": str(error)} for _ in self.models])
            future.set_exception(error if isinstance(error, MedgenError) else MedgenError(str(error)))
            return None
        self._note(number, [look.facts for look in looks])
        with self._wake:
            self._kept[number] = looks
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return future.set_result(looks)

    def _go_on(self) -> None:
        """Score the next few frames of the list that have no score; one that cannot be read holds up none of the others."""
        numbers = deque(range(self._next, min(self._next + BLOCK, len(self._frames))))
        self._next += len(numbers)
        todo = [number for number in numbers if number not in self._results]
        for source in {id(self._frames[number].source): self._frames[number].source for number in todo}.values():
            group = [number for number in todo if self._frames[number].source is source]
            for part in (group, *([number] for number in group)):
                if all(number in self._results for number in part):
                    continue
                try:
                    by_run = [self._facts(model, [self._frames[number] for number in part]) for model in self.models]
                except Exception as error:  # as above
                    if len(part) == 1:
                        self._note(part[0], [{"status": str(error)} for _ in self.models])
                    continue
                for place, number in enumerate(part):
                    self._note(number, [facts[place] for facts in by_run])

    def _facts(self, model: LoadedRun, frames: Sequence[Frame]) -> list[dict[str, Any]]:
        with self.busy:
            seen = frames[0].source.see(model, frames, False)
        return facts_of(seen)

    def _see(self, model: LoadedRun, frames: Sequence[Frame]) -> list[Look]:
        with self.busy:
            seen = frames[0].source.see(model, frames, True)
        return [look_of(model, seen, place, facts) for place, facts in enumerate(facts_of(seen))]

    def _note(self, number: int, facts: list[dict[str, Any]]) -> None:
        if number not in self._results:
            self._results[number] = facts
            self._order.append(number)


def facts_of(seen: Seen) -> list[dict[str, Any]]:
    """Return of each frame its score, its place among the normal frames, and the decision; None where there is none."""
    table, rare = seen.scored.table, seen.scored.p_values()
    scored = is_scored(table)
    found = []
    for place, row in enumerate(table.to_dict("records")):
        flag = row.get("abnormal") if scored[place] else None
        facts = {name: row.get(name) for name in ("score", "quantile", "status", "valid_share")}
        found.append(json_values({**facts, "p_value": rare[place], "abnormal": None if flag is None else bool(flag)}))
    return found


def look_of(model: LoadedRun, seen: Seen, place: int, facts: dict[str, Any]) -> Look:
    """Return one frame with its pictures."""
    scored = seen.scored
    row = scored.rows[place : place + 1]
    batch = make_batch(scored.data, row, model.run.settings.data.overlay)
    valid = batch.valid[0, 0].numpy()
    box, height, width = box_of(seen, place)
    scores = None if scored.maps is None else np.where(valid, scored.maps[place], np.float32(np.nan))
    drawn = None if seen.reconstructions is None else seen.reconstructions[place]
    if drawn is not None:
        drawn = None if np.isnan(drawn).any() else (drawn.clip(0, 1) * 255).round().astype(np.uint8)
    more = {"box": list(box), "height": height, "width": width, "map": scores is not None, "reconstruction": drawn is not None}
    return Look({**facts, **more}, np.asarray(scored.data.frames[row])[0], valid, scores, drawn)
