"""Train from an S3 server with less room than the set has: `python tests/soak/shards_s3.py OUT` writes OUT/shards_s3.json.

A set of 8,192 frames of 96 pixels, 302 MB, lies on a server (moto) that is a process of its own, and 200 MB of it may be kept.
Two epochs are read and `vae` is trained. Counted are the bytes that were fetched, and those that were kept at the most; batches
and weights have to be those of the same set on a disk.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.usage import arguments
from lightning_fabric.plugins.environments.lightning import find_free_network_port
from soak.shards import SETTINGS, differing, make_set, rates, trained
from soak.storages import let_s3_be_at

from medgen import api
from medgen.data.dataset import TrainingBatches
from medgen.data.storage.elsewhere import LIMIT, FilesElsewhere
from medgen.data.storage.shards import Block
from medgen.files import write_json
from medgen.verbs.train import open_inputs

FRAMES, SHARD, TOGETHER, GIGABYTES, STEPS = 8192, 512, 2048, 0.2, 40
SHUFFLED = (*SETTINGS, f"data.shuffle_frames={TOGETHER}")


def serve(port: int) -> subprocess.Popen[bytes]:
    """Start an S3 server that this process knows from now on."""
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    let_s3_be_at(f"http://127.0.0.1:{port}")
    return server


def copy(data: Path) -> str:
    """Copy a set to the server, once that answers, and return its address."""
    import s3fs

    system = s3fs.S3FileSystem()
    for _ in range(60):
        try:
            system.mkdir("sets")
            break
        except Exception:
            time.sleep(1)
    system.put(str(data), "sets/data", recursive=True)
    return "s3://sets/data"


def kept(cache: Path) -> int:
    return sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())


def read(data: Path, epochs: int, cache: Path) -> dict[str, Any]:
    """Read epochs as a training does; return a digest of all batches, how fast they came, and how much was kept at the most."""
    settings = api.recipe("vae", None, SHUFFLED)
    inputs = open_inputs(data, settings)
    batches = TrainingBatches(inputs.data, inputs.settings.data, settings.train.seed)
    hashed, frames, most = hashlib.sha256(), 0, 0
    began = time.monotonic(), time.process_time()
    for epoch in range(epochs):
        for number, batch in enumerate(batches.epoch(epoch)):
            hashed.update(batch.index.numpy().tobytes() + batch.image.numpy().tobytes())
            frames += len(batch)
            if number % 100 == 0:
                most = max(most, kept(cache))
    took = rates(frames, began, (time.monotonic(), time.process_time()))
    return {
        "frames": frames,
        **took,
        "digest": hashed.hexdigest()[:16],
        "kept_mb": round(most / 1e6),
    }


def main(out: Path) -> None:
    """Measure, and write what was found."""
    fetched = {"blocks": 0, "bytes": 0}
    fetch = FilesElsewhere._fetch

    def counted(self: FilesElsewhere, block: Block) -> bytes:
        content = fetch(self, block)
        fetched["blocks"] += 1
        fetched["bytes"] += len(content)
        return content

    FilesElsewhere._fetch = counted  # type: ignore[method-assign]
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        root = Path(folder)
        make_set(root / "data", FRAMES, SHARD)
        os.environ |= {"MEDGEN_CACHE": str(root / "cache"), LIMIT: str(GIGABYTES)}
        server = serve(find_free_network_port())
        try:
            data = api.prepare_elsewhere(copy(root / "data"), root / "near").folder
            opening = round(fetched["bytes"] / 1e6)
            there = read(data, 2, root / "cache")
            whole = sum(path.stat().st_size for path in (root / "data" / "shards").glob("*-0*"))
            found = {
                "set_mb": round(whole / 1e6),
                "limit_mb": round(GIGABYTES * 1e3),
                "opening_mb": opening,
                "fetched_in_two_epochs_mb": round(fetched["bytes"] / 1e6) - opening,
                "elsewhere": there,
                "on_a_disk": read(root / "data", 2, root / "cache"),
            }
            for name, of in (("there", data), ("here", root / "data")):
                trained(of, root / name, "vae", STEPS, sets=SHUFFLED)
            found["differing_weights"] = differing(root / "there", root / "here")
        finally:
            server.terminate()
        write_json(out / "shards_s3.json", found)


if __name__ == "__main__":
    main(Path(*arguments(__doc__)))
