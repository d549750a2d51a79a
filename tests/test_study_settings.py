"""What a study file may say, and how mistakes in it, or in the command, are answered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import fail

from medgen.errors import BackendError, ConfigError, RunError
from medgen.verbs.study.same_frames import check_same
from medgen.verbs.study.settings import StudySettings, read_study, seconds, study_of

ROOT = Path(__file__).parents[1]


def written(folder: Path, text: str) -> Path:
    (folder / "study.toml").write_text(text)
    return folder / "study.toml"


@pytest.mark.parametrize(("budget", "expected"), [("90s", 90), ("20m", 1200), ("1.5h", 5400), ("", np.inf)])
def test_a_budget_is_a_number_with_its_unit(budget: str, expected: float) -> None:
    assert seconds(budget) == expected


@pytest.mark.parametrize("budget", ["20x", "m", "20", "-3m", "0m", "1h30m"])
def test_a_budget_that_is_not_understood_is_answered_with_examples(budget: str) -> None:
    with pytest.raises(
        ConfigError, match=r"'budget' is .*: expected a number above 0 with s, m or h behind it, such as 90s, 20m"
    ):
        study_of("DATA", ["vae"], budget=budget)


def test_settings_are_laid_over_common_ones_and_those_over_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('backend = "vae"\n[train]\nepochs = 7\nseed = 3\nclip = 2.0\n[data]\noverlay = "keep"\n')
    entry = f'[backends.a]\nbackend = "vae"\nconfig = "{tmp_path / "r.toml"}"\nsettings.train.epochs = 9\n'
    found = read_study(written(tmp_path, f'dataset = "D"\n[common]\ntrain.epochs = 8\ntrain.seed = 4\n{entry}')).recipes()["a"]
    assert (found.train.epochs, found.train.seed, found.train.clip, found.data.overlay) == (9, 4, 2.0, "common")


def test_the_overlay_of_all_is_what_the_user_says() -> None:
    study = study_of("DATA", ["vae", "endovae"], assignments=["data.overlay=mask"])
    assert {settings.data.overlay for settings in study.recipes().values()} == {"mask"}


def test_a_recipe_can_be_named_by_each_backends_name(tmp_path: Path) -> None:
    for name, epochs in (("vae", 7), ("vqvae2", 8)):
        (tmp_path / f"{name}-x.toml").write_text(f'backend = "{name}"\n[train]\nepochs = {epochs}\n')
    study = study_of("DATA", ["vae", "vqvae2"], config=str(tmp_path / "{backend}-x.toml"))
    assert [settings.train.epochs for settings in study.recipes().values()] == [7, 8]


def test_a_complete_study_leans_on_no_recipe_and_reads_back_the_same(tmp_path: Path) -> None:
    study = study_of("DATA", ["endovae", "vqvae2"], config=str(ROOT / "configs" / "{backend}-hyperkvasir.toml"), seeds=2)
    study.write(tmp_path / "study.toml")
    again = read_study(tmp_path / "study.toml")
    assert again.recipes() == study.with_defaults().recipes() and again.seeds == 2
    assert not any(entry.config for entry in again.backends.values()) and Path(again.dataset).is_absolute()


def test_an_unknown_key_of_a_study_leads_to_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown setting 'buget'; did you mean 'budget'"):
        read_study(written(tmp_path, 'dataset = "D"\nbuget = "3m"\n[backends.vae]\n'))


def test_a_misspelt_setting_is_told_with_the_entry_that_has_it() -> None:
    with pytest.raises(ConfigError, match=r"backend 'vqvae2': .*unknown setting 'latents'"):
        study_of("DATA", ["vae", "vqvae2"], assignments=["model.latents=3"]).recipes()


def test_a_misspelt_backend_leads_to_the_right_one() -> None:
    with pytest.raises(BackendError, match="did you mean 'endovae'"):
        study_of("DATA", ["endovea"]).recipes()


def test_a_name_that_could_leave_the_folder_is_refused() -> None:
    with pytest.raises(ConfigError, match="other characters than"):
        StudySettings.parse({"dataset": "D", "backends": {"../x": {"backend": "vae"}}})


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["DATA", "--backends", " , "], "expected at least one backend"),
        (["DATA", "--backends", "vae,vae"], "'vae' is named twice"),
        (["DATA", "--backends", "vae"], "there is no folder 'DATA'"),
        (["DATA", "MORE", "--backends", "vae"], "--backends trains on one data set"),
        (["DATA", "--budget", "20m"], "--budget goes with --backends"),
        (["DATA"], "say what to train on it with --backends"),
        (["no.toml"], "cannot read the recipe 'no.toml'"),
        (["RUN1", "RUN2"], "'RUN1' does not exist"),
    ],
)
def test_a_mistake_in_the_command_is_one_line(
    arguments: list[str], answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert answer in fail("compare", *arguments, "--out", "STUDY") and not Path("STUDY").exists()


def frames(**changes: str) -> pd.DataFrame:
    table = pd.DataFrame({"label": "normal", "digest": "d"}, index=pd.Index(["a.png", "b.png", "c.png"], name="path"))
    for path, value in changes.items():
        table.loc[f"{path[0]}.png", path[2:]] = value
    return table


def test_the_same_frames_in_another_order_are_the_same() -> None:
    check_same("one", frames(), "two", frames().iloc[::-1])


def test_digests_that_are_not_known_say_nothing() -> None:
    check_same("one", frames(), "two", frames(b_digest=""))


@pytest.mark.parametrize(
    ("others", "answer"),
    [
        (frames().iloc[1:], "'one' is tested on 1 test frame, the first is 'a.png', that 'two' is not"),
        (
            pd.concat([frames(), frames().rename(index=lambda path: f"x/{path}")]),
            "'two' is tested on 3 test frames, the first is 'x/a.png', that",
        ),
        (frames(b_label="abnormal"), "tested on other labels of 1 test frame, the first is 'b.png'"),
        (frames(b_digest="e", c_digest="e"), "tested on other files of 2 test frames, the first is 'b.png'"),
    ],
)
def test_different_test_frames_are_refused_and_the_difference_named(others: pd.DataFrame, answer: str) -> None:
    with pytest.raises(RunError, match=answer):
        check_same("one", frames(), "two", others)
