"""MLflow: a database in ``mlflow/`` of the run, or the server that MLFLOW_TRACKING_URI names.

MLflow by itself would write who runs it, from which program and commit, and where on the disk files lie, and would tell its
makers how it is used. Its client is told none of the first, the last is switched off, and files lie where `mlflow server` looks
for them (``mlflow-artifacts:``), so that the folder may move.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import time
import warnings
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # before it is imported
for patience, value in {"MAX_RETRIES": "2", "TIMEOUT": "20"}.items():  # a server that is gone is waited for a minute, not an hour
    os.environ.setdefault(f"MLFLOW_HTTP_REQUEST_{patience}", value)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

from medgen.verbs.tracking.tracker import shown  # noqa: E402

VARIABLE = "MLFLOW_TRACKING_URI"
FOLDER, DATABASE, FILES = "mlflow", "mlflow.db", "artifacts"
SCHEME = "mlflow-artifacts:/"
EXPERIMENT = "medgen"
AT_ONCE = 100  # settings that MLflow takes in one call; of numbers it takes more
LONGEST = 500  # letters of a setting


class MLflow:
    """A run as MLflow sees it (`medgen.verbs.tracking.tracker.Tracker`)."""

    def __init__(self, folder: Path, name: str, known_as: str, epoch: int) -> None:
        for logger in ("mlflow", "alembic"):
            logging.getLogger(logger).setLevel(logging.WARNING)
        self.folder = folder / FOLDER
        self.own = not os.environ.get(VARIABLE)  # whether the database is that of the run
        if self.own:
            self.folder.mkdir(exist_ok=True)
        address = f"sqlite:///{self.folder / DATABASE}" if self.own else os.environ[VARIABLE]
        with warnings.catch_warnings():  # of what its database package will change one day
            warnings.simplefilter("ignore")
            self.client = MlflowClient(tracking_uri=address)
            self.known_as = known_as if known_as and self._is_known(known_as) else self._begin(name)
            self.client.update_run(self.known_as, status="RUNNING")
            history = self.client.get_metric_history(self.known_as, "seconds")
        self.done = {row.step for row in history}  # epochs that were noted, by an interrupted training, too

    def _is_known(self, name: str) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_run(name) is not None
        except MlflowException:  # another server than that of before
            return False

    def _begin(self, name: str) -> str:
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        place = f"{SCHEME}{EXPERIMENT}" if self.own else None
        number = experiment.experiment_id if experiment else self.client.create_experiment(EXPERIMENT, artifact_location=place)
        begun = self.client.create_run(number, run_name=name, tags={"mlflow.user": EXPERIMENT})
        return str(begun.info.run_id)

    def settings(self, values: Mapping[str, Any]) -> None:
        texts = [(name, str(value)[:LONGEST]) for name, value in values.items()]
        known = self.client.get_run(self.known_as).data.params
        new = [Param(name, text) for name, text in texts if name not in known and not name.startswith("about.")]
        tags = [RunTag(f"medgen.{name}", text) for name, text in texts if name.startswith("about.")]
        for start in range(0, max(len(new), 1), AT_ONCE):
            self.client.log_batch(self.known_as, params=new[start : start + AT_ONCE], tags=tags if not start else [])

    def numbers(self, values: Mapping[str, float], epoch: int) -> None:
        if epoch not in self.done:
            self._log(shown(values), epoch)

    def picture(self, name: str, path: Path, epoch: int) -> None:
        self._keep(path, name)

    def result(self, measures: Mapping[str, float], page: Path) -> None:
        self._log(measures, max(self.done, default=0))
        for path in (page, page.with_name("metrics.json")):
            self._keep(path, "report")

    def close(self) -> None:
        self.client.set_terminated(self.known_as)
        if self.own:
            with closing(sqlite3.connect(self.folder / DATABASE)) as database, database:
                database.execute("pragma secure_delete = on")
                database.execute(
                    "update experiments set artifact_location = ? where artifact_location not like ?", (SCHEME, f"{SCHEME}%")
                )

    def _log(self, values: Mapping[str, float], step: int) -> None:
        now = round(1000 * time.time())
        self.client.log_batch(self.known_as, metrics=[Metric(name, value, now, step) for name, value in values.items()])

    def _keep(self, path: Path, where: str) -> None:
        """Keep a file with the run, in a folder of its own."""
        if not self.own:
            self.client.log_artifact(self.known_as, str(path), where)
            return
        place = self.client.get_run(self.known_as).info.artifact_uri.removeprefix(SCHEME)
        (self.folder / FILES / place / where).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, self.folder / FILES / place / where / path.name)
