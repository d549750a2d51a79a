"""A data set whose shards stay where they are, at an address: its tables on a disk, and where its shards are."""

from __future__ import annotations

import tomllib
from pathlib import Path

from medgen.config import read_toml, to_toml
from medgen.data.prepared import Prepared, is_prepared, open_prepared
from medgen.data.preparing.prepare import OWN
from medgen.data.storage.elsewhere import ADDRESS
from medgen.data.storage.remote import explaining_storage, file_system
from medgen.errors import DataError
from medgen.files import write_bytes, write_text
from medgen.outputs.folder import output_folder

ELSEWHERE = "elsewhere:"  # a source that is no folder of this machine


def prepare_elsewhere(address: str, out: Path) -> Prepared:
    """Write the tables of a data set in shards that lies at an address to `out`, and open it; its shards stay there.

    Frames are fetched as they are needed, and kept below ``MEDGEN_CACHE`` up to ``MEDGEN_CACHE_GB`` gigabytes (10).

    Parameters
    ----------
    address : of its folder, such as ``s3://bucket/DATA``
    out : folder of the data set

    Raises
    ------
    DataError : if no data set in shards lies there, or `out` holds another one.
    ConfigError : if what reads such addresses is not installed.
    MedgenError : if the storage does not answer.
    FolderError : if `out` holds something else, or another process writes into it.

    Examples
    --------
    >>> data = api.prepare_elsewhere("s3://bucket/DATA", OUT)  # doctest: +SKIP
    """
    address = address.rstrip("/")
    with explaining_storage(address):
        system, folder = file_system(address)
        try:
            content = system.cat_file(f"{folder}/prepare.toml")
        except FileNotFoundError:
            raise DataError(
                f"there is no prepared data set at '{address}'; raw frames there are prepared by --engine ray, and a set "
                "that was prepared with --shards may be copied there"
            ) from None
    about = tomllib.loads(bytes(content).decode()) | {"source": ELSEWHERE}
    if "shards" not in about:
        raise DataError(f"the data set at '{address}' is stored in one file, which has to be on a disk; prepare it with --shards")
    with output_folder(out, "prepare", OWN):
        if is_prepared(out):
            same = read_toml(out / "prepare.toml") == about and (out / ADDRESS).is_file()
            if not same or (out / ADDRESS).read_text(encoding="utf-8").strip() != address:
                raise DataError(f"'{out}' holds another data set than '{address}'; choose another --out")
            return open_prepared(out)
        for name in ("leaks.csv", "rejected.csv", "index.csv"):
            with explaining_storage(f"{address}/{name}"):
                table = system.cat_file(f"{folder}/{name}")
            write_bytes(out / name, bytes(table))
        write_text(out / ADDRESS, f"{address}\n")
        write_text(out / "prepare.toml", to_toml(about))
        return open_prepared(out)
