"""Moving frames from one finding towards another in a model's latent space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from medgen_cli.main import main
from PIL import Image

from medgen import api, registry
from medgen.errors import BackendError, DataError
from medgen.runs.run import Run
from medgen.types import Batch, Box
from medgen.verbs.edit import _halves, _redraw, edit, edit_photograph, returned_to


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of dark and of bright frames for training, and of striped ones for the test alone."""
    folder, random = tmp_path_factory.mktemp("frames"), np.random.default_rng(0)
    for split, name, low in (("train", "dark", 0), ("train", "bright", 128), ("test", "striped", 60)):
        (folder / split / name).mkdir(parents=True)
        for k in range(10):
            Image.fromarray(random.integers(low, low + 100, (16, 16, 3), dtype=np.uint8)).save(folder / split / name / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def run(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "vae"
    chosen = ("train.epochs=1", "model.latents=2", 'data.normal=["dark"]', "train.precision=float32")
    api.train(Path(f"folder:{frames}"), out, api.recipe("vae", None, chosen))
    return out


class Channels(torch.nn.Module):
    """Embeds a frame as the mean of each channel and draws a frame of one colour."""

    def embed(self, batch: Batch) -> torch.Tensor:
        return batch.image.mean((2, 3))

    def redraw(self, latent: torch.Tensor) -> torch.Tensor:
        return latent[:, :, None, None].expand(-1, -1, 16, 16).clamp(0, 1)


@pytest.fixture
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Channels()
    model.weight = torch.nn.Parameter(torch.zeros(1))
    monkeypatch.setattr(Run, "trained_model", lambda self: model)


@pytest.mark.usefixtures("_colours")
def test_a_frame_reaches_the_mean_of_the_target_at_strength_one(run: Path, frames: Path, tmp_path: Path) -> None:
    address = Path(f"folder:{frames}")
    made = edit(run, address, tmp_path / "e.png", source="dark", target="bright", n=1, strengths=(0.0, 1.0))
    pixels = np.asarray(Image.open(made.picture).convert("RGB")).astype(float)
    thirds = [part[pixels.shape[0] // 4 : -pixels.shape[0] // 4, 20:-20].mean() for part in np.array_split(pixels, 3, axis=1)]
    assert abs(thirds[1] - 50) < 6 and abs(thirds[2] - 178) < 8  # means of 0 to 99 and of 128 to 227
    assert made.auroc == 1.0 and made.learned_from == 10


def test_test_frames_are_left_alone_unless_they_are_asked_for(run: Path, frames: Path, tmp_path: Path) -> None:
    address = Path(f"folder:{frames}")
    with pytest.raises(DataError, match="0 frames of 'striped' outside the test split"):
        edit(run, address, tmp_path / "e.png", source="dark", target="striped")
    assert edit(run, address, tmp_path / "e.png", source="dark", target="striped", with_test=True).picture.is_file()


def test_a_misspelt_finding_leads_to_the_right_one(run: Path, frames: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["edit", str(run), f"folder:{frames}", "--from", "darc", "--to", "bright", "--out", str(tmp_path / "e.png")]
    )
    assert result.exit_code == 1 and "did you mean 'dark'" in result.output


def test_the_command_says_how_well_the_direction_tells_the_findings_apart(run: Path, frames: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["edit", str(run), f"folder:{frames}", "--from", "dark", "--to", "bright", "--out", str(tmp_path / "e.png")]
    )
    assert result.exit_code == 0 and "learned from 10 frames; AUROC" in result.output and (tmp_path / "e.png").is_file()


def test_a_backend_that_cannot_draw_what_it_embeds_names_those_that_can() -> None:
    with pytest.raises(BackendError, match=r"cannot draw what it embeds; these can: .*stylegan"):
        _redraw(registry.create("vqvae", {}, 32, 3), torch.zeros(1, 64))


def test_what_a_drawing_changes_is_laid_over_the_photograph_inside_its_crop() -> None:
    photograph = np.full((6, 10, 3), 100, dtype=np.uint8)
    change = np.full((4, 4, 3), 200, dtype=np.int16)
    change[..., 1] = -30
    valid = np.ones((4, 4), dtype=bool)
    valid[:2] = False
    found = returned_to(photograph, change, valid, Box(3, 1, 7, 5))
    assert found[4, 5].tolist() == [255, 70, 255] and (found[:, :3] == 100).all() and (found[:2] == 100).all()


def test_numbers_are_halved_at_their_median_and_two_kinds_by_name() -> None:
    high, known = _halves(["1", "10", "", "5", "3"], "age")
    assert high[known].tolist() == [False, True, True, False] and known.tolist() == [True, True, False, True, True]
    assert _halves(["south", "north", "south"], "site")[0].tolist() == [True, False, True]


def test_words_of_many_kinds_are_no_direction() -> None:
    with pytest.raises(DataError, match="'site' has 3 kinds of values; expected two, or numbers"):
        _halves(["a", "b", "c"], "site")


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    Image.fromarray(np.full((16, 16, 3), 120, dtype=np.uint8)).save(tmp_path / "one.png")
    return tmp_path / "one.png"


def test_a_photograph_at_strength_zero_is_itself_and_moves_towards_the_finding(
    run: Path, frames: Path, photograph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "trained_model", lambda run: Channels())
    found = edit_photograph(run, photograph, tmp_path / "a.png", along="bright", steps=3, reference=Path(f"folder:{frames}"))
    drawn = np.asarray(Image.open(tmp_path / "a.png"))
    assert drawn.shape == (22 + 2 * 196 + 4, 3 * 196 + 4, 3) and found.learned_from == 10 and found.auroc == 1.0
    dark, same, bright = (int(drawn[22 + 196 + 100, 4 + 196 * place + 96, 0]) for place in range(3))
    assert dark < 20 and same == 120 and bright > 230


def test_a_folder_is_no_photograph(run: Path, frames: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder; name one picture in it"):
        edit_photograph(run, frames, tmp_path / "a.png", along="bright", reference=Path(f"folder:{frames}"))


def test_a_finding_that_nobody_has_is_no_direction(run: Path, frames: Path, photograph: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="green"):
        edit_photograph(run, photograph, tmp_path / "a.png", along="green", reference=Path(f"folder:{frames}"))


def test_the_command_takes_either_findings_or_a_photograph(run: Path, photograph: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(main, ["edit", str(run), "--frame", str(photograph), "--out", str(tmp_path / "a.png")])
    assert told.exit_code != 0 and "give DATASET with --from and --to, or --frame with --along" in told.output
