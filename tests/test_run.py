"""What a run folder's digest hangs on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgen import api
from medgen.errors import ConfigError
from medgen.runs.run import Run, open_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    for k in range(8):
        (folder / "train" / "good").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 16, 3), 9 * k, dtype=np.uint8)).save(folder / "train" / "good" / f"{k}.png")
    return api.train(Path(f"folder:{folder}"), folder / "run", api.recipe("vae", None, ("train.epochs=1", "model.latents=2")))


def changed(run: Run, section: str, **values: Any) -> Run:
    part = getattr(run.settings, section)
    update = {**part, **values} if isinstance(part, dict) else part.model_copy(update=values)
    return replace(run, settings=run.settings.model_copy(update={section: update}))


def test_a_number_of_epochs_that_no_training_has_is_refused_before_it_is_written(run: Run) -> None:
    with pytest.raises(ConfigError, match=r"'epochs' is -1: input should be greater than or equal to 1"):
        run.with_epochs(-1)
    assert open_run(run.folder).settings == run.settings


def test_scores_stay_valid_where_settings_change_that_they_do_not_hang_on(run: Run) -> None:
    for other in (changed(run, "train", panel_frames=3), changed(run, "data", epoch_frames=5), changed(run, "watch", every=2)):
        assert other.weights_digest() == run.weights_digest()


def test_scores_do_not_stay_valid_where_the_backend_or_the_overlay_is_set_otherwise(run: Run) -> None:
    for other in (changed(run, "data", overlay="keep"), changed(run, "model", score={"sigma": 3.0})):
        assert other.weights_digest() != run.weights_digest()


def test_what_another_version_wrote_and_this_one_cannot_read_is_refused_with_that_version(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('[origin]\nlater = 1\n[about]\nmedgen = "9.1"\n')
    with pytest.raises(ConfigError, match=r"'source' is missing; medgen 9\.1 made the run, this is"):
        open_run(tmp_path)


def test_of_settings_that_this_version_wrote_no_version_is_said(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("[origin]\nlater = 1\n")
    with pytest.raises(ConfigError, match=r"'source' is missing$"):
        open_run(tmp_path)
