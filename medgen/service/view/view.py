"""Look at frames in the browser, as runs see them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from medgen.engine.device import Device
from medgen.errors import ConfigError
from medgen.verbs.score import Split

if TYPE_CHECKING:
    from medgen.service.view.app import Server

MARKS = Path("marks.csv")


def view(
    runs: Sequence[Path],
    frames: Path | None = None,
    *,
    marks: Path = MARKS,
    reader: str = "",
    labels: bool = False,
    split: Split | None = None,
    device: Device = "auto",
    port: int = 0,
    idle: float | None = None,
) -> Server:
    """Make a page on which a reader looks at frames; `run` of what is returned shows it to this machine until it is stopped.

    Frames are read where they lie and never changed; those that are dropped on the page lie in a private temporary folder until
    the end. Scores are computed in the background and stay in memory. The only file that is written is that of the marks.

    Parameters
    ----------
    runs : trained runs, seen side by side
    frames : a folder, file, video, data set or address; None for none but those that are dropped on the page
    marks : CSV file of the frames that readers mark for review, gone on with where it is there
    reader : name that marks carry; "" lets the page ask
    labels : show labels, and the names of files of a source that has labels; otherwise such frames stand there by their ids, in
        an order that mixes the classes
    split : of a data set: "train", "val", "test" (by default) or "all"
    device : "auto" takes a GPU where there is one
    port : of this machine; 0 for a free one
    idle : minutes without a request after which it stops; None for never

    Raises
    ------
    ConfigError : if FastAPI or uvicorn is not installed, there is no run, or the port is taken.
    RunError, DataError : if a run is not trained, or the frames do not fit it.
    FolderError : if `marks` is there and is no table of marks.

    Examples
    --------
    >>> page = api.view([RUN], FRAMES / "polyp", marks=OUT / "marks.csv")
    >>> page.address.startswith("http://127.0.0.1:")
    True
    >>> page.close()
    """
    if not (find_spec("fastapi") and find_spec("uvicorn")):
        raise ConfigError("the page is served by FastAPI and uvicorn, which are not installed: pip install 'medgen[serve]'")
    if not runs:
        raise ConfigError("there is no run to look with; name the folder of one before the frames")
    from medgen.service.view.app import Server
    from medgen.service.view.viewer import Viewer

    return Server(Viewer(runs, frames, marks=marks, reader=reader, labels=labels, split=split, device=device), port, idle)
