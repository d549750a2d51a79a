"""Reconstruct frames and draw new ones with a trained run."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

from medgen import registry
from medgen.contract.backend import Backend
from medgen.contract.capabilities import Conditional, Reconstructs, Samples
from medgen.data.dataset import FixedBatches
from medgen.data.prepared import Prepared, evenly_spaced
from medgen.engine.device import Device, find_device, seed_all
from medgen.engine.fixed_shape import in_fixed_shape
from medgen.engine.score import score_batches
from medgen.errors import ConfigError, DataError
from medgen.outputs.folder import check_folder, output_folder
from medgen.outputs.own_files import check_picture, is_picture, own_files, write_picture
from medgen.report.figures import image_grid
from medgen.runs.frame_columns import find_class
from medgen.runs.made_of import made_of
from medgen.runs.run import Run, open_run
from medgen.runs.scores import picture_name
from medgen.runs.to_image import png, to_pixels
from medgen.types import Batch, OnProgress, no_progress
from medgen.verbs.score import Split, drawn_rows, open_input


def reconstruct(
    run_folder: Path,
    input_path: Path,
    out: Path,
    *,
    split: Split | None = None,
    label: str = "",
    n: int = 8,
    made_by: Path | None = None,
    device: Device = "auto",
    on_progress: OnProgress = no_progress,
) -> int:
    """Write the reconstruction of each frame as PNG, under the frame's own name, or one picture of some; return how many.

    The picture has a row of frames and one of their reconstructions, then a row of frames that a model made and one of theirs.
    Frames that show too little to be scored are left out.

    Parameters
    ----------
    run_folder : a trained run
    input_path : a prepared data set or an archive (its test split, or `split`) or raw frames (all of them)
    out : folder for the pictures, each of the size of the training frames; one that ends in .png is the one picture
    split : of a data set: "train", "val", "test" or "all"
    label : class of which every frame is said to be, for a backend that can be told; "" lets it choose
    n : frames in a row of the picture, evenly spread over the input
    made_by : run that makes the frames of the picture, of the same size; None is `run_folder` itself, where it draws any
    device : "auto" takes a GPU where there is one

    Raises
    ------
    BackendError : if the backend does not reconstruct, or does not know the class, or `made_by` makes no frames.
    ConfigError : if `made_by` is given and `out` is a folder.
    RunError, DataError : if the run is not trained, or the frames do not fit it.

    Examples
    --------
    >>> api.reconstruct(RUN, DATA, OUT / "reconstructions")
    16
    """
    run = open_run(run_folder)
    model = run.trained_model()
    registry.require(model, Reconstructs)
    find_device(device)  # one that is not there is refused before frames are prepared for it
    if made_by is not None and not is_picture(out):
        raise ConfigError(f"made_by is of one picture, and '{out}' is a folder; name a .png or leave made_by out")
    if is_picture(out):
        maker = None if made_by is None else open_run(made_by)
        of = made_of(out.parent, [run, *([maker] if maker else [])], input_path, split, label=label, frames=str(n))
        check_picture(out, of)
        with TemporaryDirectory() as scratch:  # where raw frames are prepared: what lies beside the picture is not ours
            data, rows = open_input(run, input_path, Path(scratch), split, on_progress)
            rows = drawn_rows(run, data, rows, on_progress)
            picture = _reconstructed(run, model, data, rows[evenly_spaced(len(rows), n)], label, maker, device)
        write_picture(out, picture, of)
        return min(n, len(rows))
    with output_folder(out, "reconstruct", of=made_of(out, [run], input_path, split, label=label)):
        data, rows = open_input(run, input_path, out, split, on_progress)
        rows = drawn_rows(run, data, rows, on_progress)
        batches = FixedBatches(data, rows, run.settings.data, class_index=find_class(model, label))
        with own_files(out) as write:
            for scored in score_batches(model, batches, find_device(device), "reconstruct", on_progress):
                assert scored.reconstruction is not None
                for row, pixels in zip(scored.batch.index.tolist(), to_pixels(scored.reconstruction), strict=True):
                    write(picture_name(data.index["path"].iloc[row]), png(pixels))
        return len(rows)


def _reconstructed(
    run: Run, model: Backend, data: Prepared, rows: NDArray[np.int64], label: str, maker: Run | None, device: Device
) -> bytes:
    """Return a picture of frames, their reconstructions, frames that a model made, and theirs, a row each."""
    where, known = find_device(device), find_class(model, label)
    model.to(where).eval()
    able = registry.require(model, Reconstructs)
    batches = [*FixedBatches(data, rows, run.settings.data, class_index=known)]
    source = model if maker is None else maker.trained_model()
    if maker is not None:
        registry.require(source, Samples)
    if isinstance(source, Samples):
        made = torch.from_numpy(draw_samples(source, len(rows), run.settings.train.seed, device, label if maker is None else ""))
        image = made.movedim(-1, 1).float() / 255  # (n, 3, S, S)
        if image.shape[2] != data.size:
            raise DataError(f"'{maker.folder if maker else ''}' makes frames of {image.shape[2]} pixels, the run has {data.size}")
        first = batches[0]
        whole = torch.ones(len(rows), 1, data.size, data.size, dtype=torch.bool)
        finding = None if first.finding is None else torch.full((len(rows),), -1 if known is None else known)
        batches.append(Batch(image[:, : data.channels], whole, torch.arange(len(rows)), finding=finding))
    shown: list[list[NDArray[np.uint8] | None]] = []
    with torch.inference_mode():
        for batch in batches:
            drawn = in_fixed_shape(able.reconstruct, batch.to(where))
            shown += [list(to_pixels(batch.image)), list(to_pixels(drawn))]
    return image_grid(shown)


def draw_samples(model: Backend, n: int, seed: int, device: Device = "auto", label: str = "") -> NDArray[np.uint8]:
    """Return n new frames, (n, S, S, 3) uint8; the same seed draws the same frames.

    Parameters
    ----------
    model : a trained one; it is moved to the device
    label : class of the frames, for a backend that can be told; "" lets it choose

    Raises
    ------
    BackendError : if the backend does not sample, or does not know the class.
    """
    draw = registry.require(model, Samples).sample
    class_index = find_class(model, label)
    if class_index is not None:
        draw = partial(registry.require(model, Conditional).sample, label=class_index)
    model.to(find_device(device)).eval()
    seed_all(seed)
    with torch.inference_mode():
        return np.concatenate([to_pixels(draw(count)) for count in _portions(n, 64)])


def _portions(n: int, most: int) -> Iterator[int]:
    for start in range(0, n, most):
        yield min(most, n - start)


def sample(
    run_folder: Path,
    out: Path,
    n: int = 9,
    *,
    columns: int | None = None,
    seed: int = 0,
    label: str = "",
    device: Device = "auto",
) -> Path:
    """Draw n new frames into one picture or a file each; return `out`.

    Parameters
    ----------
    run_folder : a trained run
    out : one that ends in .png is the picture; any other is a folder of frames at their own size, fit to be read with ``folder:``
    n : frames
    columns : frames in a row of the picture; None makes it as square as can be
    seed : the same one draws the same frames
    label : class of the frames, for a backend that can be told; "" lets it choose
    device : "auto" takes a GPU where there is one

    Raises
    ------
    BackendError : if the backend does not sample, or does not know the class.
    ConfigError : if frames that go to a folder are to have columns.
    RunError : if the run is not trained.
    FolderError : if `out` holds something else, frames of another run, seed or class, too.

    Examples
    --------
    >>> api.sample(RUN, OUT / "samples.png", 4).name
    'samples.png'
    """
    run = open_run(run_folder)
    one = is_picture(out)
    if columns is not None and not one:
        raise ConfigError(f"columns are those of a picture, and '{out}' is a folder; name a .png or leave the columns out")
    columns = columns or int(np.ceil(np.sqrt(n)))
    of = made_of(out.parent if one else out, [run], seed=str(seed), label=label)
    if one:
        of |= {"samples": str(n), "columns": str(columns)}
        check_picture(out, of)
    else:
        check_folder(out, "sample", of=of)
    pixels = draw_samples(run.trained_model(), n, seed, device, label)
    if not one:
        with output_folder(out, "sample", of=of), own_files(out) as write:
            for number, frame in enumerate(pixels):
                write(f"{number:05}.png", png(frame))
        return out
    rows: list[list[NDArray[np.uint8] | None]] = [list(pixels[start : start + columns]) for start in range(0, n, columns)]
    write_picture(out, image_grid(rows, side=pixels.shape[1]), of)
    return out
