"""Make the table of promises from what was measured: `python tests/soak/page.py OUT [PAGE]` fills PAGE/README.md.

PAGE is reports/robustness. What stands between two marks of its README is written anew from the JSON files in OUT, which are
copied beside it. What is not there has not been run, and the table says so.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from medgen.files import read_json

PAGE = Path(__file__).parents[2] / "reports" / "robustness"
NAMES = (
    "kills",
    "full_disk",
    "files",
    "fuzz",
    "outputs",
    "ceilings",
    "service",
    "ray_archive",
    "devices",
    "jobs",
    "exports",
    "shards",
    "shards_s3",
)
BEGIN, END = "<!-- measured -->", "<!-- end -->"
Row = tuple[str, str, str]  # promise, figure, whether it holds


def holds(wrong: object) -> str:
    return "**no**" if wrong else "yes"


def kill_rows(found: dict[str, Any]) -> list[Row]:
    rows = []
    for verb, facts in found.items():
        lost = facts["tried"] - facts["survived"]
        rows.append((f"killed: `{verb}` goes on", f"{facts['survived']} of {facts['tried']} kills survived", holds(lost)))
    return rows


def disk_rows(found: dict[str, Any]) -> list[Row]:
    if "skipped" in found:
        return [("full disk", f"not run: {found['skipped']}", "not known")]
    return [
        (f"full disk: `{verb}`", f"{facts['survived']} of {facts['tried']} survived", holds(facts["tried"] - facts["survived"]))
        for verb, facts in found.items()
    ]


def file_rows(found: dict[str, Any]) -> list[Row]:
    words = {
        "odd_names": "odd names, pipes, devices, links",
        "damaged": f"damaged in {found['damages']} ways, {found['formats']} formats",
        "cut_or_changed": "cut short, or one byte changed",
    }
    rows = []
    for kind, what in words.items():
        facts = found[kind]
        fates = f"{facts['frames']} frames, {facts['rejected']} rejected, {facts['listed']} listed as no image"
        rows.append((f"files: {what}", f"{facts['tried']:,} tried: {fates}, {len(facts['lost'])} lost", holds(facts["lost"])))
    return rows


def fuzz_rows(found: dict[str, Any]) -> list[Row]:
    rows = []
    for reader, facts in found["readers"].items():
        wrong = "; ".join(f"{one['what']} ({one['times']} times)" for one in facts["wrong"])
        took = f"{facts['executions']:,} cases in {facts['seconds'] / 60:.1f} min, peak {facts['peak_memory_mb']:,} MB"
        rows.append((f"fuzzed: {reader}", f"{took}{'; ' if wrong else ''}{wrong}", holds(wrong)))
    return rows


def output_rows(found: dict[str, Any]) -> list[Row]:
    return [
        (f"names: outputs of `{verb}`", f"{facts['files']} searched, {len(facts['naming'])} with a name", holds(facts["naming"]))
        for verb, facts in found["verbs"].items()
    ]


def ceiling_rows(found: dict[str, Any]) -> list[Row]:
    return [
        (f"memory: {what}", f"{facts['peak_mb']:,} of {facts['ceiling_mb']:,} MB", holds(facts["peak_mb"] > facts["ceiling_mb"]))
        for what, facts in found.items()
    ]


def service_rows(found: dict[str, Any]) -> list[Row]:
    """A service holds where each refusal is that of a full queue, and memory stays below what is stated."""
    rows = []
    for what, facts in found["load"].items():
        refused = facts["others"].get("503", 0)
        wrong = {status for status in facts["others"] if status != "503"}
        clients = f"{facts['clients']} client{'s' * (facts['clients'] > 1)}"
        times = f"{clients}: {facts['per_second']:g} a second, p95 {facts['p95_ms']:.0f} ms, median {facts['p50_ms']:.0f} ms"
        rows.append((f"service: {what}", f"{times}; {refused:,} told to come again", holds(wrong)))
    peak, ceiling = found["peak_mb"], found["ceiling_mb"]
    rows.append(("service: memory, all of these", f"{peak:,} of {ceiling:,} MB", holds(peak > ceiling)))
    odd = found["unexpected"]
    rows.append(
        ("service: requests that Schemathesis makes", f"{odd['cases']:,} made, {odd['failures']} failed", holds(odd["failures"]))
    )
    return rows


def archive_rows(found: dict[str, Any]) -> list[Row]:
    """An archive holds where each frame is there once, with the bits of one process."""
    rows = []
    for what, facts in found.items():
        took = f"{facts['frames']} frames in {facts['partitions']} partitions" if "frames" in facts else ""
        survived = f"{facts['survived']} of {facts['tried']} kills survived" if "tried" in facts else ""
        rows.append(
            (f"archive on Ray, the bits of one process: {what}", took or survived or "the same bytes", holds(facts["wrong"]))
        )
    return rows


def device_rows(found: dict[str, Any]) -> list[Row]:
    """A backend holds whose losses on two devices are those on one, as far as double precision tells."""
    rows = []
    for name, facts in found.items():
        slower = f", at {facts['rates']:g} of its learning rates" if facts["rates"] != 1 else ""
        said = [f"{facts['double']:.0e} of its losses in double precision{slower}"]
        if "float32" in facts:
            said.append(f"{facts['float32']:.0e} in float32, where first weights that differ by 1e-7 make {facts['nudged']:.0e}")
        rows.append((f"two devices train `{name}` as one does", "; ".join(said), holds(not facts["double"] <= 1e-4)))
    return rows


def job_rows(found: dict[str, Any]) -> list[Row]:
    """Trainings side by side hold where each has the bytes of an undisturbed one."""
    return [
        (f"killed: {what}", f"{facts['survived']} of {facts['tried']} kills survived, with the same bytes", holds(facts["wrong"]))
        for what, facts in found.items()
    ]


def export_rows(found: dict[str, Any]) -> list[Row]:
    """Each backend has a graph in each format, a run that is calibrated by the frames of its fit has none and is told why."""
    rows = []
    for run, formats in found.items():
        told = {facts.get("refused", "") for facts in formats.values()}
        if "," in run and "" not in told:
            rows.append((f"export: `{run}`", "refused in every format, with the reason", "yes"))
            continue
        for kind, facts in formats.items():
            if "refused" in facts:
                rows.append((f"export: `{run}` as {kind}", f"refused: {facts['refused']}", "**no**"))
                continue
            drawn = "" if facts["map"] is None else f", map {facts['map']:.0e}"
            areas = " and ".join(f"{facts['auroc'][of]:.3f}" for of in ("run", "graph"))
            figure = f"score {facts['score']:.0e}{drawn}; AUROC {areas}; {facts['seconds']:.0f} s, {facts['megabytes']:g} MB"
            rows.append((f"export: `{run}` as {kind}", figure, holds(facts["beyond_tolerance"])))
    return rows


def shard_rows(found: dict[str, Any]) -> list[Row]:
    """A set in shards holds where it is read 20 times as fast as it is learnt from, and only the table of frames takes memory."""
    rows = []
    sizes = sorted((int(name.replace(",", "")), name) for name in found)
    first, least = sizes[0][0], found[sizes[0][1]]["vae"]["training_mb"]
    for count, name in sizes:
        facts, loader = found[name], found[name]["loader"]
        read, augmented = (loader[how]["frames_per_second"] for how in ("read", "augmented"))
        for backend in ("vae", "endovae"):
            rate = facts[backend]["frames_per_second"]
            times = f"{rate:g} frames a second learnt, {read:,.0f} read ({read / rate:.0f} times), {augmented:,.0f} augmented"
            rows.append((f"shards: {name} frames, {facts['gigabytes']:g} GB, `{backend}`", times, holds(read < 20 * rate)))
        more = facts["vae"]["training_mb"] - least
        memory = f"{facts['vae']['training_mb']:,} MB, peak {facts['vae']['peak_mb']:,} MB"
        rows.append((f"shards: {name} frames, private memory of a training", memory, holds(more > 0.65e-3 * (count - first))))
        stopped = facts["resumed"]
        weights = f"stopped after {stopped['stopped']} of {stopped['steps']} steps, {len(stopped['differing'])} tensors differ"
        rows.append((f"shards: {name} frames, a training goes on", weights, holds(stopped["differing"])))
    return rows


def shard_s3_rows(found: dict[str, Any]) -> list[Row]:
    """A set on S3 holds where no more is kept than is allowed, each block comes once in an epoch, and a run is that on a disk."""
    there, here = found["elsewhere"], found["on_a_disk"]
    fetched, limit = found["fetched_in_two_epochs_mb"], found["limit_mb"]
    kept = f"{fetched} MB fetched in two epochs, {there['kept_mb']} of {limit} MB kept at the most"
    too_much = there["kept_mb"] > limit or fetched > 2 * found["set_mb"]
    rate = (
        f"{there['frames_per_second']:g} frames a second, {here['frames_per_second']:g} from a disk, the same batches and weights"
    )
    other = found["differing_weights"] or there["digest"] != here["digest"]
    return [
        (f"shards on S3: {found['set_mb']} MB, kept in a bounded folder", kept, holds(too_much)),
        ("shards on S3: a training is that on a disk", rate, holds(other)),
    ]


ROWS = {
    "devices": device_rows,
    "kills": kill_rows,
    "full_disk": disk_rows,
    "files": file_rows,
    "fuzz": fuzz_rows,
    "outputs": output_rows,
    "ceilings": ceiling_rows,
    "service": service_rows,
    "exports": export_rows,
    "jobs": job_rows,
    "ray_archive": archive_rows,
    "shards": shard_rows,
    "shards_s3": shard_s3_rows,
}


def table(folder: Path) -> str:
    """Return the table of what the JSON files in a folder say; one that is missing is named."""
    lines = ["| promise | measured | held |", "|---|---|---|"]
    for name in NAMES:
        found = read_json(folder / f"{name}.json")
        rows = ROWS[name](found) if found else [(name, "not run", "not known")]
        lines += [f"| {promise} | {figure} | {held} |" for promise, figure, held in rows]
    return "\n".join(lines)


def filled(text: str, folder: Path) -> str:
    """Return a page with the table in its place."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table(folder)}\n\n{END}{rest.partition(END)[2]}"


def main(out: Path, page: Path = PAGE) -> None:
    """Copy what was measured beside the page and fill the page from it."""
    for name in NAMES:
        if (out / f"{name}.json").is_file():
            shutil.copyfile(out / f"{name}.json", page / f"{name}.json")
    readme = page / "README.md"
    readme.write_text(filled(readme.read_text(encoding="utf-8"), page), encoding="utf-8")


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    from benchmarks.usage import arguments

    main(*map(Path, arguments(__doc__)))
