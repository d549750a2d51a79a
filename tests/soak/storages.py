"""Stores of objects on this machine that fsspec reaches by their addresses, as those of Amazon and Google: moto and its like."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BUCKET = "archive"


def let_s3_be_at(address: str) -> None:
    """Lead this process, and those that it starts, to a server that takes any key."""
    os.environ |= {"AWS_ENDPOINT_URL": address, "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}


@contextmanager
def s3(folder: Path) -> Iterator[str]:
    """Run an S3 server that this process and those that it starts know; yields where a copy of the folder lies in it."""
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    let_s3_be_at(f"http://127.0.0.1:{port}" if host == "0.0.0.0" else f"http://{host}:{port}")
    try:
        system = s3fs.S3FileSystem()
        system.mkdir(BUCKET)
        system.put(str(folder), f"{BUCKET}/{folder.name}", recursive=True)
        yield f"s3://{BUCKET}/{folder.name}"
    finally:
        server.stop()


@contextmanager
def google(folder: Path) -> Iterator[str]:
    """Run a server like Google Cloud Storage, as `s3` does it."""
    from lightning_fabric.plugins.environments.lightning import find_free_network_port

    port = find_free_network_port()
    # gcsfs reads it when it is imported; it asks for a bucket's kind over TLS, which the server does not speak.
    os.environ |= {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false", "NO_GCE_CHECK": "true"}
    os.environ |= {"STORAGE_EMULATOR_HOST": f"http://localhost:{port}"}
    import gcsfs
    from gcp_storage_emulator.server import create_server

    server = create_server("localhost", port, in_memory=True, default_bucket=BUCKET)
    server.start()
    try:
        gcsfs.GCSFileSystem().put(str(folder), f"{BUCKET}/{folder.name}", recursive=True)
        yield f"gs://{BUCKET}/{folder.name}"
    finally:
        server.stop()
