"""Options that several commands share, as decorators, and the rules for options that exclude each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from medgen.types import TrackerName

PATH = click.Path(path_type=Path)
SEED = click.IntRange(0, 2**63 - 1)
MNIST_M = "mnist-m"
MNIST_M_OPTIONS = {"source", "out", "mnist", "bsds", "size", "seed"}
Command = TypeVar("Command", bound=Callable[..., Any])


def complete_backends(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a backend, the last one where several stand with commas between them."""
    from medgen import api

    before, comma, begun = incomplete.rpartition(",")
    return [CompletionItem(before + comma + name, help=said) for name, said in api.backends().items() if name.startswith(begun)]


def complete_recipes(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a recipe, or a file."""
    from medgen import api

    files = CompletionItem(incomplete, type="file")  # first, as a shell that hears of files forgets what it heard before
    return [files, *(CompletionItem(recipe.name) for recipe in api.recipes() if recipe.name.startswith(incomplete))]


device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="auto takes a GPU where there is one.",
)


def devices_options(command: Command) -> Command:
    """Add on how many devices and machines a model is trained."""
    command = click.option(
        "--nodes", type=click.IntRange(1), default=1, show_default=True, help="Machines that train together, each with --devices."
    )(command)
    return click.option(
        "--devices",
        type=click.IntRange(1),
        help="GPUs, or processes on a CPU, that share the frames of a step.  [default: 1, or as many as torchrun started]",
    )(command)


def _installed(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Refuse an engine that is not there before anything is read."""
    if value != "torch":
        from medgen.engine.runtime import open_engine

        open_engine("onnx" if value == "onnx" else "openvino")
    return value


def _beside_csv(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Let the whole command write its tables as Parquet, too."""
    if value:
        from medgen.files import parquet_beside_csv

        context.with_resource(parquet_beside_csv())


parquet_option = click.option(
    "--parquet", is_flag=True, expose_value=False, callback=_beside_csv, help="Write each table as Parquet beside its CSV, too."
)

tracker_option = click.option(
    "--tracker",
    "trackers",
    multiple=True,
    type=click.Choice([*get_args(TrackerName), "none"]),
    help="Program that follows the training. Repeatable.  [default: tensorboard]",
)


def tracker_assignments(trackers: tuple[str, ...]) -> tuple[str, ...]:
    """Return what --tracker sets, as --set would."""
    names = ", ".join(f'"{name}"' for name in trackers if name != "none")
    return (f"watch.trackers=[{names}]",) if trackers else ()


runtime_option = click.option(
    "--runtime",
    type=click.Choice(["torch", "openvino", "onnx"]),
    default="torch",
    show_default=True,
    callback=_installed,
    help="What runs the nets: openvino is faster on a processor; onnx runs the graph that is exported. Both are checked against "
    "PyTorch on the first frames.",
)


label_option = click.option(
    "--label", default="", help="Class that a conditional backend is told.  [default: it chooses; samples: all in turn]"
)


split_option = click.option(
    "--split", type=click.Choice(["train", "val", "test", "all"]), help="Of a prepared INPUT.  [default: test; raw frames: all]"
)


group_names_option = click.option(
    "--group-names/--no-group-names",
    default=True,
    show_default=True,
    help="Keep frames together whose names have a common stem and a running number.",
)


def input_options(command: Command) -> Command:
    """Add the options of commands that apply a run to frames: device, label and split."""
    return split_option(label_option(device_option(command)))


def reading_options(command: Command) -> Command:
    """Add how frames and masks are read; what is not given keeps its default."""
    options = [
        click.option("--intensity", help="Which values are black and white: auto, full, window:LO,HI or percentile:LO,HI.  "
                     "[default: auto]"),
        click.option("--overlay", type=click.Choice(["auto", "endoscopy", "dark", "none"]), default="auto", show_default=True,
                     help="What in a frame is no tissue: all that endoscopes draw and reflect, or dark border and boxes alone."),
        click.option("--axes", help="Of .npy arrays, a letter each: N frames, H rows, W columns, C channels, like HWN; HWN2 "
                     "takes item 2 of a further axis, of NIfTI too.  [default: by their shape]"),
        click.option("--modality", help="Which sequence or channel of BraTS, MSD and nnU-Net, like T1.  "
                     "[default: FLAIR of BraTS, else the first]"),
        click.option("--mask-values", callback=_numbers, help="Labels of masks that are a finding, like 1,4.  [default: any]"),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def dataset_options(command: Command) -> Command:
    """Add the settings of a prepared data set as options."""
    options = [
        click.option("--size", type=click.IntRange(16, 1024), help="Side of a crop in pixels.  [default: 96]"),
        click.option("--channels", type=click.Choice(["1", "3"]), callback=_integer, help="Grey or colour.  [default: 3]"),
        click.option("--square", type=click.Choice(["crop", "pad"]), default="crop", show_default=True,
                     help="Centre square of the field of view, or all of it on a square."),
        click.option("--copies", type=click.IntRange(0, 20), help="Augmented copies of each training frame.  [default: 0]"),
        click.option("--val-share", type=click.FloatRange(0, 1, min_open=True, max_open=True),
                     help="Of the normal frames.  [default: 0.15]"),
        click.option("--test-share", type=click.FloatRange(0, 1), help="Of the normal frames.  [default: 0.25]"),
        click.option("--all-test/--no-all-test", default=False,
                     help="Every frame is a test frame, whatever the source says: a set to measure finished runs on."),
        click.option("--seed", type=SEED, help="Of the splits and copies.  [default: 0]"),
        click.option("--drop-leaks/--no-drop-leaks", default=False,
                     help="Leave test frames out that given splits have in training, too."),
        group_names_option,
        click.option("--assume", type=click.Choice(["normal"]), help="Label of frames that the source leaves unlabelled."),
        click.option("--video", help="Frames of videos: seconds:S (one in S), frames:N, keys or all.  [default: seconds:1]"),
        click.option("--video-blur", type=click.FloatRange(0, 1),
                     help="Leave out frames with less of their video's usual sharpness; 0 keeps all.  [default: 0.125]"),
        click.option("--video-alike", type=click.FloatRange(0, 255),
                     help="Leave out frames with a smaller difference from the one kept before.  [default: 2 grey levels]"),
    ]  # fmt: skip
    command = reading_options(command)
    for option in reversed(options):
        command = option(command)
    return command


def refuse_unused(names: Sequence[str], reason: str) -> None:
    """Refuse options that are given although the command, as it is used, would do nothing with them.

    Parameters
    ----------
    names : of their parameters
    reason : what they are for, as a sentence goes on behind the option: "is of one picture"

    Raises
    ------
    click.UsageError : naming the first that is given.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        if parameter.name in names and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[0]} {reason}; leave it away")


def mnist_m_wanted(source: Path, mnist: Path | None, bsds: Path | None) -> bool:
    """Tell whether `prepare` is to make MNIST-M.

    A folder that is called mnist-m is an ordinary source unless --mnist or --bsds is used.

    Parameters
    ----------
    source : argument SOURCE
    mnist, bsds : options of the same names, None if not used

    Raises
    ------
    click.UsageError : if options do not go together.
    """
    if str(source) != MNIST_M or (source.exists() and not mnist and not bsds):
        if mnist or bsds:
            raise click.UsageError(f"--mnist and --bsds are for SOURCE {MNIST_M}, got '{source}'")
        return False
    if not mnist or not bsds:
        raise click.UsageError(f"{MNIST_M} is made of two folders: give --mnist and --bsds")
    context = click.get_current_context()
    for name in set(context.params) - MNIST_M_OPTIONS:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{MNIST_M} has no --{name.replace('_', '-')}; it takes --mnist, --bsds, --size and --seed")
    return True


def _numbers(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    try:
        return None if value is None else tuple(float(number) for number in value.split(","))
    except ValueError:
        raise click.BadParameter(f"expected numbers as in 1,4, got '{value}'") from None


def _integer(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    return None if value is None else int(value)
