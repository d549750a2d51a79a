"""Which frames of a video are read: neighbours show nearly the same, and an hour of video has ninety thousand."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, isfinite
from typing import NamedTuple, Self

from medgen.errors import ConfigError, did_you_mean

RULES = ("seconds", "frames", "keys", "all")
ROUNDING = 1e-6  # seconds by which the times of a container may be rounded


class Sampling(NamedTuple):
    """A rule that chooses frames by their times.

    Attributes
    ----------
    rule : one of `RULES`: a frame every `step` seconds, every `step` frames, those from which a decoder can start, or all
    step : seconds or frames
    numbers : the frames that are meant, from 0, instead of a rule
    """

    rule: str = "seconds"
    step: float = 1.0
    numbers: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "seconds:S", "frames:N", "keys" or "all".

        Raises
        ------
        ConfigError : if it is none of these, S is not above 0 or N is no whole number from 1.
        """
        rule, _, rest = text.partition(":")
        if rule not in RULES:
            raise ConfigError(f"there is no rule '{rule}' for the frames of a video; {did_you_mean(rule, RULES)}")
        if rule in ("keys", "all"):
            if rest:
                raise ConfigError(f"the rule '{rule}' for the frames of a video takes no number, got '{text}'")
            return cls(rule)
        try:
            step = float(rest) if rule == "seconds" else int(rest)
        except ValueError:
            step = 0
        if not (isfinite(step) and step > 0):
            raise ConfigError(f"expected a number above 0 as in '{rule}:{1 if rule == 'seconds' else 25}', got '{text}'")
        return cls(rule, step)

    def choose(self, seconds: Sequence[float], keys: Sequence[bool]) -> list[int]:
        """Return the numbers of the chosen frames, from 0, in order.

        Parameters
        ----------
        seconds : of every frame since the first one, rising; their distances need not be the same
        keys : whether a decoder can start there
        """
        count = len(seconds)
        if self.numbers:
            return sorted({number for number in self.numbers if number < count})
        if self.rule == "keys":
            return [number for number in range(count) if keys[number]]
        if self.rule != "seconds":
            return list(range(0, count, int(self.step) if self.rule == "frames" else 1))
        chosen, last = [], -1
        for number, second in enumerate(seconds):  # the first frame at or after each multiple of the step
            step = floor((second + ROUNDING) / self.step)
            if step > last:
                chosen.append(number)
                last = step
        return chosen
