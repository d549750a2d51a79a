"""Figures and numbers that a run has because of what its backend can do."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from medgen import api
from medgen.errors import ConfigError, FolderError, MedgenError
from medgen.outputs.own_files import check_picture
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import open_run
from medgen.verbs.figures import capability_figures
from medgen.verbs.figures.capability_figures import control


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 16 px frames, red and blue, in train and test."""
    root, rng = tmp_path_factory.mktemp("frames"), np.random.default_rng(0)
    for split, count in (("train", 24), ("test", 6)):
        for place, name in enumerate(("red", "blue")):
            (root / split / name).mkdir(parents=True)
            for k in range(count):
                pixels = rng.integers(0, 60, (16, 16, 3), dtype=np.uint8)
                pixels[..., 2 * place] += 150
                Image.fromarray(pixels).save(root / split / name / f"{k}.png")
    return root


def trained(root: Path, out: Path, backend: str, *assignments: str) -> Path:
    """Train for two epochs and return the run."""
    small = (
        "model.latents=2",
        "model.widths=[8]",
        "data.batch_size=8",
        'data.normal=["*"]',
        "train.epochs=2",
        "train.log_steps=2",
        *assignments,
    )
    return api.train(Path(f"folder:{root}"), out / "run", api.recipe(backend, None, small)).folder


@pytest.fixture(scope="module")
def conditional(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("conditional")
    api.report([trained(folders, out, "cvae", "model.kl_target=3.0")], out / "report")
    return out


def test_a_run_straight_from_a_folder_is_reported_with_every_figure_it_allows(conditional: Path) -> None:
    made = {path.name for path in (conditional / "report" / "figures").iterdir()}
    assert {"classes.png", "latent-plane.png", "latent-plane-data.png", "latent-scatter.svg", "control.svg", "losses.svg"} <= made
    assert {"learning.png", "interpolations.png"} <= made


def test_the_ranges_of_the_classes_stand_on_the_page_and_in_a_table(conditional: Path) -> None:
    table = pd.read_csv(conditional / "report" / "figures" / "latent-scatter.csv")
    assert table["class"].tolist() == ["blue", "red"] and table["frames"].tolist() == [6, 6] and " to " in table["latent 2"][0]
    assert f"<td>{table['latent 2'][0]}</td>" in (conditional / "report" / "report.html").read_text()


def test_inputs_stand_beside_their_outputs(conditional: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[np.ndarray]] = []
    monkeypatch.setattr(capability_figures, "squares", lambda blocks: drawn.append(blocks) or b"")
    run = open_run(conditional / "run")
    data = open_trained_on(run)
    rows = data.rows("test")
    scored = SimpleNamespace(data=data, rows=rows, table=pd.DataFrame({"score": np.zeros(len(rows)), "status": "scored"}))
    model = run.trained_model()
    with torch.inference_mode():
        capability_figures._inputs_and_outputs(run, model, scored)  # type: ignore[arg-type]
    inputs, outputs = drawn[0]
    np.testing.assert_array_equal(inputs, data.frames[rows])
    assert outputs.shape == inputs.shape and (outputs != inputs).any()


def test_the_page_shows_the_figures(conditional: Path) -> None:
    page = (conditional / "report" / "report.html").read_text()
    titles = ("Samples of each class", "The latent plane", "Latent space", "The controller and the KL divergence")
    assert all(f"<h3>{title}</h3>" in page for title in titles)
    assert "steady-state error" in page and "overshoot" in page


def test_a_conditional_backend_learns_the_names_of_the_classes_from_the_training_frames(conditional: Path) -> None:
    assert open_run(conditional / "run").settings.classes == ("blue", "red")


def test_more_than_two_latents_are_traversed(folders: Path, tmp_path: Path) -> None:
    api.report([trained(folders, tmp_path, "vae", "model.latents=3")], tmp_path / "report")
    assert (tmp_path / "report" / "figures" / "traversals.png").is_file()


def test_the_use_of_the_codes_of_each_level_is_drawn(folders: Path, tmp_path: Path) -> None:
    small = ("model.quantizer.codes=8", 'data.normal=["*"]', "model.prior.share=0", "model.widths=[8, 8]")
    api.train(
        Path(f"folder:{folders}"), tmp_path / "run", api.recipe("vqvae2", None, (*small, "data.batch_size=8", "train.epochs=1"))
    )
    api.report([tmp_path / "run"], tmp_path / "report")
    drawn = (tmp_path / "report" / "figures" / "code-use.svg").read_text()
    assert "codes top: " in drawn and "codes bottom: " in drawn and " of 8 used, perplexity " in drawn


def test_the_controller_is_measured_in_optimizer_steps(conditional: Path) -> None:
    run = open_run(conditional / "run")
    steps = pd.read_csv(run.folder / "steps.csv")
    held = control(run)
    assert held["mean_last_tenth"] == pytest.approx(steps["note.kl"].iloc[-1]) and list(steps["step"]) == [2, 4, 6, 8, 10]
    assert held["target"] == pytest.approx(0.5)  # so early the set point has not begun to climb


def test_a_run_without_a_controller_has_no_numbers_of_one(folders: Path, tmp_path: Path) -> None:
    trained(folders, tmp_path, "vae")
    assert control(open_run(tmp_path / "run")) == {}


def test_samples_of_a_class_differ_from_those_of_another(conditional: Path, tmp_path: Path) -> None:
    drawn = [api.sample(conditional / "run", tmp_path / f"{label}.png", 2, label=label).read_bytes() for label in ("red", "blue")]
    assert drawn[0] != drawn[1]


def test_a_class_that_a_run_does_not_know_gets_the_nearest_one(conditional: Path, tmp_path: Path) -> None:
    with pytest.raises(MedgenError, match="no class 'blu'; did you mean 'blue'"):
        api.sample(conditional / "run", tmp_path / "x.png", 2, label="blu")


def test_a_backend_without_classes_refuses_a_label(folders: Path, tmp_path: Path) -> None:
    trained(folders, tmp_path, "vae")
    with pytest.raises(MedgenError, match="cannot be told a class; these can: cvae"):
        api.sample(tmp_path / "run", tmp_path / "x.png", 2, label="red")


def test_scores_never_use_the_class_of_a_frame_unless_it_is_given(conditional: Path, folders: Path, tmp_path: Path) -> None:
    chosen = api.score(conditional / "run", Path(f"folder:{folders}"), tmp_path / "a", pictures=False).table["score"]
    told = api.score(conditional / "run", Path(f"folder:{folders}"), tmp_path / "b", pictures=False, label="red").table["score"]
    assert len(chosen) == len(told) == 12 and (chosen - told).abs().max() > 0


def test_raw_frames_are_scored_at_native_size_by_a_run_that_was_trained_so(
    conditional: Path, folders: Path, tmp_path: Path
) -> None:
    table = api.score(conditional / "run", folders / "test", tmp_path / "a", pictures=False).table
    assert len(table) == 12 and not (tmp_path / "a" / "prepared").exists()


def test_samples_in_a_folder_are_frames_that_can_be_reconstructed(conditional: Path, tmp_path: Path) -> None:
    api.sample(conditional / "run", tmp_path / "drawn", 3)
    assert api.reconstruct(conditional / "run", tmp_path / "drawn", tmp_path / "again") == 3
    with Image.open(tmp_path / "again" / "00000.png.png") as drawn:
        assert drawn.size == (16, 16)


def test_samples_stand_in_as_many_columns_as_were_asked_for(conditional: Path, tmp_path: Path) -> None:
    api.sample(conditional / "run", tmp_path / "drawn.png", 5, columns=4)
    with Image.open(tmp_path / "drawn.png") as drawn:
        assert drawn.size == (4 * (16 + 4) + 4, 2 * (16 + 4) + 4)


def test_frames_and_made_ones_stand_above_their_reconstructions_in_one_picture(
    conditional: Path, folders: Path, tmp_path: Path
) -> None:
    run, frames = conditional / "run", Path(f"folder:{folders}")
    assert api.reconstruct(run, frames, tmp_path / "rows.png", n=3, label="red") == 3
    rows = np.asarray(Image.open(tmp_path / "rows.png"))
    assert rows.shape[:2] == (4 * 132 + 4, 3 * 132 + 4)
    tiles = [rows[4 + 132 * row : 132 * (row + 1) : 8, 4:132:8, :3] for row in range(4)]
    api.sample(run, tmp_path / "made.png", 3, columns=3, label="red")
    first_real = open_trained_on(open_run(run)).rows("test")[0]
    np.testing.assert_array_equal(tiles[0], open_trained_on(open_run(run)).frames[[first_real]][0])
    np.testing.assert_array_equal(tiles[2], np.asarray(Image.open(tmp_path / "made.png"))[4:20, 4:20, :3])
    assert (tiles[0] != tiles[1]).any() and (tiles[2] != tiles[3]).any()


def test_another_run_may_make_the_other_frames(conditional: Path, folders: Path, tmp_path: Path) -> None:
    maker = trained(folders, tmp_path, "vae")
    pictures = []
    for name, by in (("own", None), ("other", maker)):
        api.reconstruct(conditional / "run", Path(f"folder:{folders}"), tmp_path / f"{name}.png", n=2, made_by=by)
        pictures.append(np.asarray(Image.open(tmp_path / f"{name}.png")))
    half = 2 * 132 + 4
    np.testing.assert_array_equal(pictures[0][:half], pictures[1][:half])
    assert (pictures[0][half:] != pictures[1][half:]).any()


@pytest.mark.parametrize("other", [{"n": 3}, {"n": 4, "columns": 3}])
def test_another_number_of_samples_or_columns_is_another_picture(
    conditional: Path, tmp_path: Path, other: dict[str, int]
) -> None:
    api.sample(conditional / "run", tmp_path / "drawn.png", 4)
    api.sample(conditional / "run", tmp_path / "drawn.png", 4, columns=2)  # which four have anyway
    with pytest.raises(FolderError, match=r"drawn\.png"):
        api.sample(conditional / "run", tmp_path / "drawn.png", **other)


def test_a_picture_is_a_png_and_no_folder_is_named_like_one_of_another_kind(conditional: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pictures are written as PNG; name 'drawn\.png' in place of 'drawn\.jpg'"):
        api.sample(conditional / "run", tmp_path / "drawn.jpg", 4)
    with pytest.raises(ConfigError, match=r"name 'drawn\.png'"):
        check_picture(tmp_path / "drawn", {})
    assert not [*tmp_path.iterdir()]


def test_samples_in_a_folder_have_no_columns(conditional: Path, tmp_path: Path) -> None:
    with pytest.raises(MedgenError, match="columns are those of a picture"):
        api.sample(conditional / "run", tmp_path / "drawn", 5, columns=4)


def test_reconstructions_in_a_folder_have_no_other_run_beside_them(conditional: Path, folders: Path, tmp_path: Path) -> None:
    with pytest.raises(MedgenError, match="made_by is of one picture"):
        api.reconstruct(conditional / "run", Path(f"folder:{folders}"), tmp_path / "drawn", made_by=conditional / "run")


def test_frames_without_the_findings_of_the_training_keep_the_labels_of_their_source(folders: Path, tmp_path: Path) -> None:
    api.train(Path(f"folder:{folders}"), tmp_path / "run", api.recipe("vae", None, ('data.normal=["red"]', "train.epochs=1")))
    table = api.score(tmp_path / "run", folders / "test" / "blue", tmp_path / "a", pictures=False).table
    assert set(table["label"]) == {""}


def test_another_seed_of_the_training_leaves_the_splits_as_they_are(folders: Path, tmp_path: Path) -> None:
    trained(folders, tmp_path / "a", "vae")
    trained(folders, tmp_path / "b", "vae", "train.seed=1")
    digests = {open_run(tmp_path / name / "run").origin.data_digest for name in "ab"}
    assert len(digests) == 1
