"""`medgen prepare`: from raw frames to a prepared data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..answer import answer
from ..engines import SOURCE, is_prepared_elsewhere, is_spread, place_options
from ..options import PATH, dataset_options, mnist_m_wanted
from ..progress import Display


@click.command()
@click.argument("source", type=SOURCE)
@click.option("--out", type=PATH, required=True, help="Folder of the prepared data set.")
@dataset_options
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Threads, or workers of Ray; the result is the same.  [default: one a core]"
)
@click.option("--overwrite", is_flag=True, help="Replace the data set that is in --out.")
@click.option(
    "--shards", type=click.IntRange(1), metavar="FRAMES", help="Store so many frames in each file.  [default: all in one]"
)
@click.option("--pseudonymise", type=PATH, metavar="KEY", help="Call files by ids; their names are in the file KEY alone.")
@click.option("--mnist", type=PATH, help="Folder of MNIST, where SOURCE is mnist-m.")
@click.option("--bsds", type=PATH, help="Folder with photographs of BSDS500, where SOURCE is mnist-m.")
@place_options
def prepare(
    source: Path,
    out: Path,
    workers: int | None,
    overwrite: bool,
    shards: int | None,
    pseudonymise: Path | None,
    mnist: Path | None,
    bsds: Path | None,
    **values: Any,
) -> None:
    """Crop the frames of SOURCE to their field of view, divide them into splits and store them.

    SOURCE is a folder with a manifest.csv, a folder per class (Kvasir and HyperKvasir names are known), or plain frames.
    An interrupted run goes on where it stopped. SOURCE may also be the word mnist-m: then digits of --mnist are laid over patches
    of --bsds (Ganin and Lempitsky 2015), at the side --size or 28. Of a prepared data set in shards at an address (s3://...), the
    tables are stored, and frames are fetched as they are needed.
    """
    from medgen import api
    from medgen.data.prepared import PrepareSettings

    from ..tables import prepared_table
    from ..values import prepared_values

    if values["all_test"] and (values["val_share"] is not None or values["test_share"] is not None):
        raise click.UsageError("with --all-test every frame is a test frame; leave --val-share and --test-share away")
    if is_prepared_elsewhere(source):
        data = api.prepare_elsewhere(str(source), out)
        answer(prepared_table(data), **prepared_values(data))
        return
    spread = is_spread(source, values, of_ray=("address",), of_local=("mnist", "bsds"))
    address = values.pop("address", None) or ""
    settings = PrepareSettings.parse({key: value for key, value in values.items() if value is not None}, "prepare")
    with Display() as display:
        if spread:
            data = api.prepare_archive(
                str(source), out, settings, workers=workers, overwrite=overwrite, key=pseudonymise, shards=shards or 0,
                address=address, on_progress=display,
            )  # fmt: skip
        elif mnist_m_wanted(source, mnist, bsds):
            assert mnist is not None and bsds is not None
            data = api.make_mnist_m(mnist, bsds, out, values["size"] or 28, values["seed"] or 0, display)
        else:
            data = api.prepare(source, out, settings, workers, overwrite, display, pseudonymise, shards=shards or 0)
    answer(prepared_table(data), **prepared_values(data))
