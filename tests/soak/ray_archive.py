"""Score an archive on Ray while its parts are killed: `python tests/soak/ray_archive.py OUT` writes OUT/ray_archive.json.

Ray runs here with two nodes of a core each. The frames of a folder and of servers like Amazon's (moto) and Google's are scored,
and so often (TIMES) with a worker, and so often with a node killed (SIGKILL) in the middle of it. Each time every frame has to
be there once, with the bits of scores and maps that one process makes of the same frames. They are prepared from the servers,
too, as from a folder, and a set in shards is fetched. What is measured already stays.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.usage import arguments
from soak.storages import google, s3

from medgen import api
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import PrepareSettings, read_table
from medgen.files import digest_of, read_json, write_json

TIMES = 10
PARTITION = 10  # files
FRAMES = {"train": 16, "val": 24, "test_normal": 30, "test_abnormal": 30}
SMALL = PrepareSettings(size=32)
STORE = 80 * 2**20  # bytes


def make_world(root: Path) -> None:
    """Make frames, one of which is damaged, a run, what one process finds in them and makes of them, and what the servers get."""
    made = make_phantom(root / "made", PhantomSettings(**FRAMES, width=160, height=160))
    api.prepare(made, root / "data", SMALL)
    api.train(root / "data", root / "run", api.recipe("endovae", None, ["train.epochs=1", "train.panel_epochs=0"]))
    for finding in ("normal", "polyp"):
        shutil.copytree(made / finding, root / "frames" / finding)
    (root / "frames" / "normal" / "damaged.png").write_bytes(b"no image")
    api.score(root / "run", root / "frames", root / "local", pictures=False)
    shutil.copytree(root / "frames", root / "store" / "frames")
    files = sorted(path.relative_to(root / "frames").as_posix() for path in (root / "frames").rglob("*.*g"))
    pd.DataFrame({"file": files}).to_parquet(root / "store" / "frames" / "table.parquet")
    api.prepare(root / "store" / "frames", root / "of-folder", SMALL)
    api.prepare(root / "store" / "frames", root / "store" / "data", SMALL, shards=16)


def differences(root: Path, out: Path) -> list[str]:
    """Return what an archive says otherwise than one process."""
    expected, found = read_table(root / "local" / "scores.csv", ["score"]), pd.read_parquet(out / "scores")
    wrong = []
    if found["path"].tolist() != expected["path"].tolist():
        wrong.append(f"{len(found)} frames in place of {len(expected)}, {found['path'].nunique()} of them different ones")
    elif not all(np.array_equal(found[name], expected[name]) for name in ("score", "quantile", "abnormal")):
        wrong.append("other scores")
    maps = np.concatenate([np.load(path) for path in sorted((out / "maps").iterdir())])
    if maps.tobytes() != np.load(root / "local" / "maps.npy").tobytes():
        wrong.append("other maps")
    if (out / "rejected.csv").read_text() != (root / "local" / "rejected.csv").read_text():
        wrong.append("other rejected files")
    return wrong


def scored(root: Path, source: str, while_at: Callable[[Path], None] | None = None) -> dict[str, Any]:
    """Score a source, with something that happens when a third of it is done; return what became of it."""
    out = root / "out"
    shutil.rmtree(out, ignore_errors=True)
    watch = threading.Thread(target=while_at, args=(out,)) if while_at else None
    if watch:
        watch.start()
    began = time.monotonic()
    found = api.score_archive(root / "run", source, out, maps=True, partition=PARTITION, workers=2)
    seconds = round(time.monotonic() - began, 1)
    if watch:
        watch.join()
    return {"seconds": seconds, "partitions": found.partitions, "frames": found.frames, "wrong": differences(root, out)}


def wait_for_a_third(out: Path) -> None:
    """Wait until a third of the partitions is done."""
    end, wanted = time.monotonic() + 300, sum(FRAMES.values()) // PARTITION // 3
    while len([*(out / "partitions").glob("*.json")]) < wanted and time.monotonic() < end:
        time.sleep(0.02)


def parent(process: int) -> int:
    """Return the number of a process's parent; 0 where it has gone."""
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def kill_a_worker(out: Path) -> None:
    """Kill an actor of this process's own Ray."""
    wait_for_a_third(out)
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        process = int(place.parent.name)
        try:
            mine = place.read_bytes().startswith(b"ray::MapWorker") and parent(parent(process)) == os.getpid()
        except OSError:
            continue
        if mine:
            os.kill(process, signal.SIGKILL)
            return
    raise AssertionError("there was no worker to kill")


def killed(root: Path, kill: Callable[[Path], None], file: Path, what: str, mend: Callable[[], None]) -> None:
    """Score TIMES over with something killed; what became of them is in the file after each."""
    facts = read_json(file).get(what) or {"tried": 0, "survived": 0, "wrong": [], "seconds": []}
    while facts["tried"] < TIMES:
        run = scored(root, str(root / "frames"), kill)
        mend()
        facts["tried"] += 1
        facts["survived"] += not run["wrong"]
        facts["wrong"] += run["wrong"]
        facts["seconds"].append(run["seconds"])
        write_json(file, read_json(file) | {what: facts})
        sys.stdout.write(f"{what}: {json.dumps(run)}\n")
        sys.stdout.flush()


def add_node(cluster: Any) -> Any:
    """Add a node of one core."""
    return cluster.add_node(num_cpus=1, object_store_memory=STORE)


def differing_sets(root: Path, source: str) -> list[str]:
    """Prepare a source at an address, and return which files of the data set are not those that its folder makes."""
    out = root / "prepared"
    shutil.rmtree(out, ignore_errors=True)
    api.prepare_archive(source, out, SMALL, workers=2)
    made, expected = (
        {path.name: digest_of(path) for path in of.iterdir() if path.suffix in (".npy", ".csv")}
        for of in (out, root / "of-folder")
    )
    return [f"other {name}" for name in sorted(made.keys() | expected.keys()) if made.get(name) != expected.get(name)]


def fetched(root: Path, source: str) -> list[str]:
    """Fetch a set in shards from an address block by block; return what is wrong with what came."""
    near = root / "near"
    shutil.rmtree(near, ignore_errors=True)
    api.prepare_elsewhere(source, near)
    return [problem for found in api.verify(near) for problem in found.problems]


def main(out: Path) -> None:
    """Measure what is not in the file yet."""
    file = out / "ray_archive.json"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    torch.set_num_threads(1)
    import ray
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_world(root)
        with s3(root / "store") as address, google(root / "store") as google_address:
            cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE})
            nodes = [add_node(cluster), add_node(cluster)]
            ray.init(address=cluster.address, log_to_driver=False)

            def kill_a_node(out: Path) -> None:
                wait_for_a_third(out)
                cluster.remove_node(nodes.pop(0), allow_graceful=False)

            def replace_it() -> None:  # in this thread, with whose end the nodes that it started end
                nodes.append(add_node(cluster))

            frames, google_frames = f"{address}/frames", f"{google_address}/frames"
            sources = {
                "folder": str(root / "frames"),
                "S3, folder": frames,
                "S3, pattern": f"{frames}/**/*.*g",
                "S3, table of paths": f"{frames}/table.parquet",
                "Google Cloud Storage, folder": google_frames,
                "Google Cloud Storage, pattern": f"{google_frames}/**/*.*g",
                "Google Cloud Storage, table of paths": f"{google_frames}/table.parquet",
            }
            checks = {
                "prepared from S3": lambda: differing_sets(root, frames),
                "prepared from Google Cloud Storage": lambda: differing_sets(root, google_frames),
                "shards on Google Cloud Storage, every frame": lambda: fetched(root, f"{google_address}/data"),
            }
            try:
                for name, source in sources.items():
                    if name not in read_json(file):
                        write_json(file, read_json(file) | {name: scored(root, source)})
                for name, check in checks.items():
                    if name not in read_json(file):
                        write_json(file, read_json(file) | {name: {"wrong": check()}})
                killed(root, kill_a_worker, file, "worker killed", lambda: None)
                killed(root, kill_a_node, file, "node killed", replace_it)
            finally:
                ray.shutdown()
                cluster.shutdown()


if __name__ == "__main__":
    main(Path(*arguments(__doc__)))
