"""The tables of reports/scale: `python tests/benchmarks/scale_page.py OUT [PAGE]` fills PAGE/README.md.

PAGE is reports/scale. What scale.py has measured into OUT is copied beside the page, and what stands between its marks is made of
that, of what reports/benchmarks says of memory and near-duplicates, and of the two prices below.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

from medgen.files import read_json

REPORTS = Path(__file__).parents[2] / "reports"
FILES = ("machine", "prepare", "backends", "workers")
COUNTS = (10**5, 10**6, 10**8)
SIZE = "1920 x 1080"  # of the frames that are planned with
BACKEND = "endovae"
CORE_HOUR, MONTH = 0.05, 0.023  # dollars for an hour of a core, and for a gigabyte on object storage in a month: put in your own
EPOCHS = 30  # passes over the frames of a training that is planned
LEARN = 10**5  # frames that a training is planned with at most
CORES = 64
DAY, GB = 86_400, 1e9
MEMORY, DISK = 64 * GB, 4000 * GB  # of the machine that is planned with
Found = dict[str, Any]


def rate(facts: Found) -> float:
    """Return frames for each second of processor time."""
    return float(facts["frames"] / facts["processor_seconds"])


def rows(head: tuple[str, ...], cells: list[tuple[str, ...]]) -> str:
    """Return a table."""
    lines = [head, tuple("---" for _ in head), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def preparing(found: Found) -> str:
    """Return how many frames a core prepares."""
    cells = [
        (name, f"{facts['bytes_of_a_file'] / 1000:.0f} kB", f"{rate(facts):.0f}", f"{facts['bytes_of_a_crop'] / 1000:.0f} kB")
        for name, facts in found["prepare"].items()
    ]
    return rows(("frames", "a file", "frames a second", "a crop on disk"), cells)


def backends(found: Found) -> str:
    """Return how many frames a core trains on and scores by each backend."""
    cells = [
        (
            f"`{name}`",
            f"{facts['trained_per_second']:.3g}",
            f"{rate(facts['score']):.3g}",
            f"{(facts['peak_memory'] or 0) / GB:.2f} GB",
            f"{facts['bytes_of_weights'] / 1e6:.3g} MB",
        )
        for name, facts in found["backends"].items()
    ]
    return rows(("backend", "trains, frames a second", "scores, frames a second", "memory of the training", "weights"), cells)


def workers(found: Found) -> str:
    """Return what more workers than cores do."""
    first = found["workers"]["1"]["seconds"]
    cells = [
        (
            name,
            f"{facts['seconds']:.0f} s",
            f"{first / facts['seconds']:.2f}",
            f"{facts['partitions']}",
            "yes" if facts["same_scores"] else "**no**",
        )
        for name, facts in found["workers"].items()
    ]
    return rows(("workers", "by the clock", "times as fast as one", "partitions", "same scores"), cells)


def pairs_seconds(found: Found, frames: float) -> float:
    """Return the processor time of near-duplicates: measured at two numbers of frames, beyond them by the exponent."""
    known = {row["frames"]: row["pairs_seconds"] + row["across_splits_seconds"] for row in found["duplicates"]}
    (few, first), (many, second) = sorted(known.items())[-2:]
    exponent = math.log(second / first) / math.log(many / few)
    return float(second * (frames / many) ** exponent)


def needs(found: Found, frames: int) -> dict[str, float]:
    """Return what a number of frames takes: seconds of a core, bytes on disk and in memory."""
    raw, backend = found["prepare"][SIZE], found["backends"][BACKEND]
    results = found["workers"]["1"]["bytes_of_results"]
    return {
        "prepare": frames / rate(raw),
        "near-duplicates": pairs_seconds(found, frames),
        "train": EPOCHS * min(frames, LEARN) / backend["trained_per_second"],
        "score": frames * (1 / rate(raw) + 1 / rate(backend["score"])),
        "files": frames * raw["bytes_of_a_file"],
        "crops": frames * raw["bytes_of_a_crop"],
        "results": frames * results,
        "memory of prepare": frames * found["memory-prepare"]["bytes_a_frame"],
    }


def took(seconds: float) -> str:
    """Return a time in the unit in which it is read at a glance."""
    for unit, length in (("years", 365 * DAY), ("days", DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} s"


def size(bytes_: float) -> str:
    """Return a number of bytes in the unit in which it is read at a glance."""
    for unit, length in (("TB", 1e12), ("GB", 1e9)):
        if bytes_ >= length:
            return f"{bytes_ / length:,.3g} {unit}"
    return f"{bytes_ / 1e6:,.0f} MB"


def plan(found: Found) -> str:
    """Return hours, disk, memory and money for each number of frames."""
    asked = [needs(found, count) for count in COUNTS]
    times = {
        "preparing, one core": "prepare",
        "near-duplicates, one core": "near-duplicates",
        f"training of `{BACKEND}`, one core": "train",
        "scoring raw frames with maps, one core": "score",
    }
    cells = [(what, *(took(need[key]) for need in asked)) for what, key in times.items()]
    cells.append((f"scoring on {CORES} cores", *(took(need["score"] / CORES) for need in asked)))
    spaces = {
        "files": "files",
        "a prepared set": "crops",
        "scores and maps": "results",
        "memory of `prepare`": "memory of prepare",
    }
    cells += [(what, *(size(need[key]) for need in asked)) for what, key in spaces.items()]
    cells.append(("cores for scoring, dollars", *(f"{need['score'] / 3600 * CORE_HOUR:,.2f}" for need in asked)))
    kept = [(need["files"] + need["results"]) / GB * MONTH for need in asked]
    cells.append(("files and results kept for a month, dollars", *(f"{cost:,.2f}" for cost in kept)))
    return rows(("", *(f"{count:,} frames" for count in COUNTS)), cells)


def breaking(found: Found) -> str:
    """Return at how many frames each thing passes its limit, the first first."""
    one = needs(found, 1)
    known = found["duplicates"][-1]["frames"]
    step, day = 1.0, float(known)
    while pairs_seconds(found, day) < DAY:
        day *= 1 + step / 100
    limits = {
        "near-duplicates take a day of a core": day,
        f"`prepare` takes {size(MEMORY)} of memory": MEMORY / one["memory of prepare"],
        f"a prepared set takes {size(DISK)}": DISK / one["crops"],
        f"the files take {size(DISK)}": DISK / one["files"],
        f"scores and maps take {size(DISK)}": DISK / one["results"],
        f"scoring takes a month of {CORES} cores": 30 * DAY * CORES / one["score"],
    }
    ordered = sorted(limits.items(), key=lambda item: item[1])
    return rows(("what", "at about so many frames"), [(what, f"{float(f'{count:.1g}'):,.0f}") for what, count in ordered])


TABLES = {"preparing": preparing, "backends": backends, "workers": workers, "plan": plan, "breaking": breaking}


def filled(text: str, found: Found) -> str:
    """Return a page with each table between the marks of its name."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name} -->", "<!-- end -->"
        before, mark, rest = text.partition(begin)
        if not mark or end not in rest:
            raise SystemExit(f"the page has no place for '{name}'")
        text = f"{before}{begin}\n\n{table(found)}\n\n{end}{rest.partition(end)[2]}"
    return text


def measured(page: Path) -> Found:
    """Return what lies beside the page, and what reports/benchmarks knows."""
    found: Found = {name: read_json(page / f"{name}.json") for name in FILES}
    for name in ("duplicates", "memory-prepare"):
        found[name] = read_json(REPORTS / "benchmarks" / f"{name}.json")
    return found


def main(out: Path, page: Path = REPORTS / "scale") -> None:
    """Copy what was measured beside the page and fill the page from it."""
    for name in FILES:
        shutil.copyfile(out / f"{name}.json", page / f"{name}.json")
    readme = page / "README.md"
    readme.write_text(filled(readme.read_text(encoding="utf-8"), measured(page)), encoding="utf-8")


if __name__ == "__main__":
    from usage import arguments

    main(*map(Path, arguments(__doc__)))
