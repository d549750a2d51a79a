"""Weights & Biases, offline: files in ``wandb/`` of the run, which nothing but `wandb sync` sends to anybody.

wandb by itself would write the computer, the user, the program with its words, the commit with its address, and what is
installed, and would report errors to its makers. All of that is switched off, and its own logs, which name folders, go when it
has written.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ["WANDB_ERROR_REPORTING"] = "false"  # before it is imported

import wandb

from medgen.verbs.tracking.tracker import new_name, shown

FOLDER = "wandb"
PROJECT = "medgen"
OWN_LOGS = ("logs", "tmp")  # of a run; they name processes and folders


class WandB:
    """A run as Weights & Biases sees it (`medgen.verbs.tracking.tracker.Tracker`)."""

    def __init__(self, folder: Path, name: str, known_as: str, epoch: int) -> None:
        self.folder, self.epoch = folder / FOLDER, epoch
        self.folder.mkdir(exist_ok=True)  # without it, a temporary folder is taken
        self.known_as = known_as or new_name()
        nothing_else = wandb.Settings(
            mode="offline",
            silent=True,
            console="off",
            host=PROJECT,
            username=PROJECT,
            program=PROJECT,
            program_relpath=PROJECT,
            disable_git=True,
            disable_code=True,
            save_code=False,
            disable_job_creation=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            x_disable_viewer=True,
            x_save_requirements=False,
        )
        how: dict[str, Any] = {"dir": str(folder), "settings": nothing_else, "reinit": "create_new"}
        self.run = wandb.init(project=PROJECT, id=self.known_as, name=name, **how)
        self.run.define_metric("epoch", hidden=True)
        self.run.define_metric("*", step_metric="epoch")

    def settings(self, values: Mapping[str, Any]) -> None:
        self.run.config.update(dict(values), allow_val_change=True)

    def numbers(self, values: Mapping[str, float], epoch: int) -> None:
        self.run.log({**shown(values), "epoch": epoch})

    def picture(self, name: str, path: Path, epoch: int) -> None:
        self.run.log({name: wandb.Image(str(path)), "epoch": epoch})

    def result(self, measures: Mapping[str, float], page: Path) -> None:
        self.run.summary.update(dict(measures))
        self.run.log({"report": wandb.Html(page.read_text(encoding="utf-8"), inject=False), "epoch": self.epoch})

    def close(self) -> None:
        self.run.finish()
        for written in self.folder.glob(f"offline-run-*-{self.known_as}"):
            for name in OWN_LOGS:
                shutil.rmtree(written / name, ignore_errors=True)
        for link in (path for path in self.folder.iterdir() if path.is_symlink()):
            link.unlink()
