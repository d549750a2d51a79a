"""Studies of tiny backends on phantom frames: what is trained, what is reused, what fails, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import fail, succeed

from medgen import api
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.errors import RunError
from medgen.outputs.folder import MARK, Mark
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import Run, open_run
from medgen.verbs.study import study_runs
from medgen.verbs.study.compare import Compared, grouped
from medgen.verbs.study.same_frames import unlike
from medgen.verbs.study.settings import StudySettings
from medgen.verbs.study.study_runs import Job, RunContext, jobs_of, open_entry, train_or_reuse

STUDY = """
dataset = "{data}"
[common]
data.batch_size = 8
train.epochs = 1
train.panel_epochs = 0
model.widths = [8]
[backends.vae]
[backends.narrow]
backend = "vae"
settings.model.latents = 2
[backends.broken]
backend = "vae"
settings.model.optimizer.lr = 1e30
"""
NEVER = 10**9
pytestmark = pytest.mark.usefixtures("blank_charts", "no_comparison_pdf", "few_draws")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames, a prepared data set and a study of two entries that work and one that does not."""
    folder = tmp_path_factory.mktemp("study")
    make_phantom(folder / "frames", PhantomSettings(train=16, val=20, test_normal=8, test_abnormal=8, width=160, height=160))
    succeed("prepare", folder / "frames", "--out", folder / "data", "--size", 16)
    (folder / "study.toml").write_text(STUDY.format(data=folder / "data"))
    return folder


@pytest.fixture(scope="module")
def study(root: Path) -> Compared:
    compared = api.compare(api.read_study(root / "study.toml"), root / "S", command="medgen compare study.toml --out S")
    assert compared is not None
    return compared


def small(root: Path, *names: str, epochs: int = 1) -> StudySettings:
    """Return the study with some of its entries."""
    asked = api.read_study(root / "study.toml")
    common = {**asked.common, "train": {"epochs": epochs, "panel_epochs": 0}}
    return asked.model_copy(update={"common": common, "backends": {name: asked.backends[name] for name in names}})


def test_each_backend_is_an_entry(study: Compared) -> None:
    names = {entry.name: [run.name for run in entry.runs] for entry in study.comparison.entries}
    assert names == {"vae": ["vae-seed0"], "narrow": ["narrow-seed0"]}
    assert "come from few groups" in (study.page.parent / "pages" / "vae-seed0" / "report.html").read_text()


def test_each_backend_is_trained_with_each_seed(root: Path) -> None:
    asked = small(root, "vae").model_copy(update={"seeds": 3})
    found = jobs_of(asked, "vae", open_entry(asked, asked.recipes()["vae"]), RunContext(root / "S"))
    assert [(job.folder.name, job.settings.train.seed) for job in found] == [(f"vae-seed{k}", k) for k in range(3)]


def test_a_backend_that_fails_is_told_with_its_reason_and_stops_no_other(study: Compared) -> None:
    failures = study.comparison.failures
    assert [failure.name for failure in failures] == ["broken-seed0"]
    assert "the loss" in failures[0].reason and "\n" not in failures[0].reason


def test_overlay_is_common_to_all_runs_of_a_study(study: Compared) -> None:
    assert {run.settings["data"]["overlay"] for entry in study.comparison.entries for run in entry.runs} == {"common"}


def test_scores_of_all_entries_are_of_the_same_frames_in_one_order(study: Compared) -> None:
    paths = [list(run.scores["path"]) for entry in study.comparison.entries for run in entry.runs]
    assert len(paths[0]) == 16 and all(other == paths[0] for other in paths)


def test_views_show_the_frames_that_are_asked_for(study: Compared, root: Path) -> None:
    views = study.comparison.entries[0].frame_views([3, 0])
    maps = np.load(root / "S" / "runs" / "vae-seed0" / "scores" / "maps.npy")
    assert [view.original.shape for view in views] == [(16, 16, 3)] * 2 and views[1].reconstruction is not None
    assert views[0].error is not None and np.array_equal(views[0].error, maps[3])


def test_every_run_has_a_page_of_its_own(study: Compared, root: Path) -> None:
    pages = sorted(path.parent.name for path in (root / "S" / "pages").glob("*/report.html"))
    assert pages == ["narrow-seed0", "vae-seed0"]


def test_the_audit_looks_at_the_first_run_of_every_entry(study: Compared) -> None:
    models = study.comparison.audit["models"]
    assert isinstance(models, dict) and list(models) == ["vae", "narrow"]


def test_the_study_that_is_written_asks_for_the_same_and_what_is_finished_is_not_done_again(study: Compared, root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.glob("S/runs/*/model.safetensors")}
    output = succeed("compare", root / "S" / "study.toml", "--out", root / "S")
    assert len(before) == 2 and before == {path: path.stat().st_mtime_ns for path in before}
    assert "narrow-seed0" in output and "failed: broken-seed0" in output


def test_the_mark_that_a_training_left_which_was_killed_at_its_end_goes(study: Compared, root: Path) -> None:
    asked, context = small(root, "narrow"), RunContext(root / "S")
    job = jobs_of(asked, "narrow", open_entry(asked, asked.recipes()["narrow"]), context)[0]
    Mark("train", finished=False).write(job.folder)
    assert train_or_reuse(job, asked, context) is not None
    assert not (job.folder / MARK).exists()


def test_what_failed_is_tried_again_and_memory_that_ran_out_is_a_reason(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(*arguments: object, **options: object) -> Run:
        raise RuntimeError("CUDA out of memory.\nTried to allocate 2 EiB")

    with monkeypatch.context() as patch:
        patch.setattr(study_runs, "train", greedy)
        with pytest.raises(RunError, match=r"narrow-seed0: the GPU is out of memory; try"):
            api.compare(small(root, "narrow"), tmp_path)
    assert "in greedy" in (tmp_path / "failures" / "narrow-seed0.txt").read_text()
    again = api.compare(small(root, "narrow"), tmp_path)
    assert again is not None and not again.comparison.failures
    assert [entry.name for entry in again.comparison.entries] == ["narrow"]


def only_job(root: Path, out: Path, epochs: int) -> tuple[Job, StudySettings]:
    asked = small(root, "vae", epochs=epochs)
    inputs = open_entry(asked, asked.recipes()["vae"])
    return jobs_of(asked, "vae", inputs, RunContext(out))[0], asked


def test_an_interrupted_run_goes_on_to_the_same_bits(root: Path, tmp_path: Path) -> None:
    weights = []
    for name, most in (("whole", NEVER), ("halves", 3)):
        job, asked = only_job(root, tmp_path / name, 3)
        calls = iter(range(NEVER))
        if (
            run := train_or_reuse(job, asked, RunContext(tmp_path, stop=lambda calls=calls, most=most: next(calls) >= most))
        ) is None:  # type: ignore[misc]
            assert name == "halves" and not open_run(job.folder).finished()
            run = train_or_reuse(job, asked, RunContext(tmp_path))
        assert run is not None and run.finished() and len(run.history()) == 3
        weights.append((job.folder / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_a_training_far_over_its_budget_is_stopped_with_a_warning(root: Path, tmp_path: Path) -> None:
    job, asked = only_job(root, tmp_path, 5000)
    run = train_or_reuse(job._replace(minutes=0.02), asked.model_copy(update={"budget": "1s"}), RunContext(tmp_path))
    assert run is not None and run.finished() and "1.25 times the budget of 1s" in run.about["warning"]


def test_a_study_that_is_stopped_writes_no_page(root: Path, tmp_path: Path) -> None:
    assert api.compare(small(root, "vae"), tmp_path, stop=lambda: True) is None
    assert not list(tmp_path.glob("**/report.html"))


def test_a_run_with_other_settings_is_refused_by_the_first_that_differs(study: Compared, root: Path) -> None:
    text = (root / "study.toml").read_text().replace("batch_size = 8", "batch_size = 4")
    (root / "other.toml").write_text(text)
    line = fail("compare", root / "other.toml", "--out", root / "S")
    assert "has data.batch_size = 8, the study 4; remove that folder" in line


def test_finished_runs_are_compared_as_they_are(study: Compared, root: Path, tmp_path: Path) -> None:
    compared = api.compare_runs([root / "S" / "runs" / name for name in ("narrow-seed0", "vae-seed0")], tmp_path)
    assert [entry.name for entry in compared.comparison.entries] == ["narrow-seed0", "vae-seed0"]
    assert compared.comparison.study == {} and compared.comparison.commands == ["medgen compare study.toml --out S"]


def test_runs_that_differ_by_their_seed_alone_are_one_entry(study: Compared, root: Path) -> None:
    vae, narrow = (open_run(root / "S" / "runs" / f"{name}-seed0") for name in ("vae", "narrow"))
    train = vae.settings.train.model_copy(update={"seed": 1})
    other = replace(vae, settings=vae.settings.model_copy(update={"train": train}))
    groups = grouped({"vae-seed0": vae, "narrow": narrow, "vae-seed1": other, "copy": vae})
    assert groups == {"vae": ["vae-seed0", "vae-seed1"], "narrow": ["narrow"], "copy": ["copy"]}


def test_a_run_of_the_name_that_seeds_share_stays_beside_their_entry(study: Compared, root: Path) -> None:
    vae, narrow = (open_run(root / "S" / "runs" / f"{name}-seed0") for name in ("vae", "narrow"))
    train = vae.settings.train.model_copy(update={"seed": 1})
    other = replace(vae, settings=vae.settings.model_copy(update={"train": train}))
    groups = grouped({"vae-seed0": vae, "vae-seed1": other, "vae": narrow})
    assert groups == {"vae-seed0": ["vae-seed0", "vae-seed1"], "vae": ["vae"]}


def test_one_run_or_the_same_one_twice_is_no_comparison(study: Compared, root: Path, tmp_path: Path) -> None:
    run = root / "S" / "runs" / "vae-seed0"
    assert "takes two runs or more" in fail("compare", run, "--out", tmp_path / "C")
    assert "is named twice" in fail("compare", run, run.parent / "." / "vae-seed0", "--out", tmp_path / "C")


def test_a_study_is_not_mistaken_for_a_run(study: Compared, root: Path, tmp_path: Path) -> None:
    assert "S/study.toml --out DIR" in fail("compare", root / "S", "--out", tmp_path / "C")


def test_runs_on_other_test_frames_are_refused_and_the_frames_named(study: Compared, root: Path, tmp_path: Path) -> None:
    succeed("prepare", root / "frames" / "polyp", "--out", tmp_path / "polyps", "--size", 16, "--assume", "normal")
    recipe = api.recipe("vae", None, ("train.epochs=1", "data.batch_size=2", "model.widths=[8]"))
    run = api.train(tmp_path / "polyps", tmp_path / "run", recipe)
    line = fail("compare", root / "S" / "runs" / "vae-seed0", run.folder, "--out", tmp_path / "C")
    assert "vae-seed0' is tested on 16 test frames, the first is '" in line and "that '" in line


def test_other_training_frames_are_a_warning(study: Compared, root: Path) -> None:
    run = open_run(root / "S" / "runs" / "vae-seed0")
    data = open_trained_on(run)
    fewer = replace(data, index=data.index[data.index["path"] != data.index["path"].iloc[data.rows("train")[0]]])
    assert unlike(run, data, run, data) == []
    smaller = replace(data, settings=data.settings.model_copy(update={"size": 8}))
    assert unlike(run, data, run, smaller) == ["Its frame size is “8 pixels”, that of “vae-seed0” “16 pixels”."]
    assert unlike(run, data, run, fewer) == ["It was trained on other frames (15) than “vae-seed0” (16)."]
