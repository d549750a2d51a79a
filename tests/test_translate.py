"""Runs of two domains from the command line: translations keep names and sizes, classifiers are measured in both domains."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from commands import fail, medgen, succeed, train_translator
from sources import folder, frame, side_by_side
from writers import save

from medgen.data.images import read_image
from medgen.types import Batch
from medgen.verbs.tracking.monitor import _there_and_back
from medgen.verbs.translate import _resized, _tiled, _Translator


@pytest.fixture(scope="module")
def unpaired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("unpaired")
    folder(root / "data", "trainA", "trainB", "testA", "testB")
    train_translator("cyclegan", f"unpaired:{root / 'data'}", root / "run")
    return root


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of any size, two of which differ in the ending of their names alone, and a broken one."""
    root = tmp_path_factory.mktemp("raw")
    (root / "day").mkdir()
    save(root / "day" / "a.png", np.repeat(frame(40), 2, axis=1)[:, :53])
    save(root / "day" / "b.png", frame(9, channels=1))
    save(root / "day" / "b.bmp", frame(24))
    (root / "broken.png").touch()
    return root


@pytest.mark.parametrize("fit", ["resize", "tile"])
def test_raw_frames_keep_their_names_and_sizes(unpaired: Path, raw: Path, tmp_path: Path, fit: str) -> None:
    told = succeed("translate", unpaired / "run", raw, "--out", tmp_path, "--fit", fit, "--direction", "BtoA")
    assert "left out 'broken.png': empty file" in told and f"3 translations: {tmp_path} (raw frames by {fit})" in told
    sizes = {str(path.relative_to(tmp_path)): read_image(path).pixels.shape for path in tmp_path.rglob("*.png")}
    assert sizes == {"day/a.png": (40, 53, 3), "day/b.png.png": (9, 9, 3), "day/b.bmp.png": (24, 24, 3)}


def test_the_test_frames_of_a_data_set_are_translated(unpaired: Path, raw: Path, tmp_path: Path) -> None:
    assert "only a data set has a split 'val'" in fail("translate", unpaired / "run", raw, "--out", tmp_path, "--split", "val")
    assert "8 translations" in succeed("translate", unpaired / "run", f"unpaired:{unpaired / 'data'}", "--out", tmp_path)
    assert len([*tmp_path.rglob("*.png")]) == 8


def test_a_panel_shows_both_domains_and_their_translations(unpaired: Path) -> None:
    picture = read_image(unpaired / "run" / "panels" / "epoch-0001.png").pixels
    assert picture.shape[:2] == (8 * 132 + 4, 132 + 4)  # of one frame of each domain, as it is and what was made of it, in 4 rows


def test_a_panel_shows_a_frame_its_translation_its_cycle_and_its_identity() -> None:
    class Adding:
        """Carries from A to B by adding 0.25, back by doubling."""

        def translate(self, batch: Batch, direction: str) -> torch.Tensor:
            return batch.image + 0.25 if direction == "AtoB" else 2 * batch.image

    batch = Batch(torch.full((1, 3, 2, 2), 0.125), torch.ones(1, 1, 2, 2, dtype=torch.bool), torch.zeros(1, dtype=torch.int64))
    shown = _there_and_back(Adding(), batch, "AtoB", "BtoA")  # type: ignore[arg-type]
    assert [int(block[0, 0, 0, 0]) for block in shown] == [32, 96, 191, 64]  # 0.125, 0.375, 0.75 and 0.25 of 255


def test_translations_are_nearer_to_the_other_domain_than_the_frames_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """One feature, the mean of a frame: the Fréchet distance is that of the means, squared, where the spread is the same."""
    monkeypatch.syspath_prepend(Path(__file__).parent / "benchmarks")
    from translations import distances

    def net(images: torch.Tensor) -> torch.Tensor:
        return images.double().mean((1, 2, 3))[:, None] + torch.tensor([[0.0, 1.0]])

    net.name = "mean"  # type: ignore[attr-defined]
    image = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 1, 2, 2) / 16
    batch = Batch(image, torch.ones(8, 1, 2, 2, dtype=torch.bool), torch.arange(8))
    half = SimpleNamespace(translate=lambda batch, way: batch.image + 0.25)
    found = distances(net, half, [batch], [image + 0.5], "AtoB")  # type: ignore[arg-type]
    both = (found["frechet translated"], found["frechet as they are"])
    assert both == pytest.approx((2 * 0.25**2, 2 * 0.5**2), abs=1e-6)


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("carried")
    folder(root / "source", "train/good", "train/polyps", "test/good", "test/polyps")
    folder(root / "target", "train/good", "test/good", "test/polyps")
    train_translator("pixelda", f"folder:{root / 'source'}", root / "run", f"data.other=folder:{root / 'target'}")
    return root


def test_classes_are_those_of_the_labelled_frames_abnormal_ones_too(carried: Path) -> None:
    settings = (carried / "run" / "run.toml").read_text()
    assert 'classes = ["good", "polyps"]' in settings and 'normal_classes = ["good"]' in settings


@pytest.fixture(scope="module")
def reported(carried: Path) -> Path:
    succeed("report", carried / "run", "--out", carried / "page")
    return carried / "page"


def test_classifiers_are_measured_in_both_domains(reported: Path) -> None:
    metrics = json.loads((reported / "metrics.json").read_text())
    for section in (metrics, metrics["transfer"]):
        assert set(section["classes"]) == {"adapted", "source_only"} and section["classes"]["adapted"]["frames"] == 8
        assert 0 <= section["components"]["source_only"]["auroc"]["value"] <= 1
    assert metrics["transfer"]["source"].endswith("target") and "Second domain" in (reported / "report.html").read_text()


def test_the_page_shows_which_class_is_taken_for_which_in_both_domains(reported: Path) -> None:
    drawn = (reported / "figures" / "confusion.svg").read_text()
    assert all(f"{domain}, {name}" in drawn for domain in ("own domain", "second domain") for name in ("adapted", "source only"))
    assert {"named-0.png", "named-1.png"} <= {path.name for path in (reported / "figures").iterdir()}


def test_a_reader_learns_that_the_training_saw_abnormal_frames(reported: Path) -> None:
    assert "The training saw abnormal frames" in (reported / "report.html").read_text()


def test_the_accuracy_of_the_report_is_the_share_of_right_names_in_the_scores(carried: Path, reported: Path) -> None:
    metrics = json.loads((reported / "metrics.json").read_text())["transfer"]
    lines = [line.split(",") for line in (carried / "run" / "scores-other" / "scores.csv").read_text().splitlines()]
    named, told = lines[0].index("finding"), lines[0].index("class_adapted")
    right = np.mean([line[named] == line[told] for line in lines[1:]])
    assert metrics["classes"]["adapted"]["accuracy"]["value"] == pytest.approx(right)


@pytest.mark.usefixtures("blank_charts")
def test_the_report_of_unpaired_domains_measures_detection(unpaired: Path, tmp_path: Path) -> None:
    succeed("report", unpaired / "run", "--out", tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["frames"]["abnormal"] == 4 and metrics["detection"]["auroc"]["value"] is not None
    assert metrics["quality"]["normal"]["psnr"]["n"] == 4  # of frames and their healthy counterparts


def test_a_folder_of_nothing_that_can_be_read_is_refused(unpaired: Path, tmp_path: Path) -> None:
    (tmp_path / "x.png").touch()
    told = medgen("translate", unpaired / "run", tmp_path, "--out", tmp_path / "out")
    assert told.exit_code != 0 and told.output.splitlines()[-1].startswith(f"medgen: none of the 1 files in '{tmp_path}'")


@pytest.mark.usefixtures("blank_charts")
def test_pairs_are_measured_against_their_truth(tmp_path: Path) -> None:
    root = tmp_path / "pairs"
    root.mkdir()
    side_by_side(root)
    (root / "val").rename(root / "test")
    train_translator("pix2pix", f"pairs:{root}", tmp_path / "run")
    succeed("score", tmp_path / "run", f"pairs:{root}", "--out", tmp_path / "scores")
    succeed("translate", tmp_path / "run", f"pairs:{root}", "--out", tmp_path / "drawn")
    rows = (tmp_path / "scores" / "scores.csv").read_text().splitlines()
    path, psnr = (rows[1].split(",")[rows[0].split(",").index(name)] for name in ("path", "psnr"))
    truth = read_image(root / path).pixels[:, 16:].astype(float) / 255
    drawn = read_image(tmp_path / "drawn" / f"{path}.png").pixels.astype(float) / 255
    assert float(psnr) == pytest.approx(-10 * np.log10(((truth - drawn) ** 2).mean()), abs=0.05)


@pytest.mark.usefixtures("blank_charts")
def test_pairs_without_test_frames_are_reported_on_others_beside_their_truth(tmp_path: Path) -> None:
    root = tmp_path / "pairs"
    root.mkdir()
    train_translator("pix2pix", f"pairs:{side_by_side(root)}", tmp_path / "run")
    assert "no frames of split 'test'; it has train, val" in fail("report", tmp_path / "run", "--out", tmp_path / "page")
    succeed("report", tmp_path / "run", "--out", tmp_path / "page", "--split", "val")
    page = (tmp_path / "page" / "report.html").read_text()
    assert '<th scope="col">Truth</th>' in page and "frames of split “val”" in page


def test_there_is_no_way_back_from_pairs(tmp_path: Path) -> None:
    root = tmp_path / "pairs"
    root.mkdir()
    train_translator("pix2pix", f"pairs:{side_by_side(root)}", tmp_path / "run")
    assert "has no direction 'BtoA'" in fail(
        "translate", tmp_path / "run", root / "train", "--out", tmp_path / "out", "--direction", "BtoA"
    )


def test_a_missing_partner_is_told_when_a_training_begins(tmp_path: Path) -> None:
    folder(tmp_path / "pairs", "A", "B")
    (tmp_path / "pairs" / "A" / "01.png").unlink()
    output = train_translator("pix2pix", f"pairs:{tmp_path / 'pairs'}", tmp_path / "run")
    assert "left out 1 file: 'B/01.png' has no partner" in output


def test_a_second_domain_of_another_size_is_refused(carried: Path, tmp_path: Path) -> None:
    folder(tmp_path / "small", "train/good")
    for path in (tmp_path / "small").rglob("*.png"):
        save(path, frame(20))
    refused = fail(
        "train",
        "pixelda",
        f"folder:{carried / 'source'}",
        "--out",
        tmp_path / "run",
        "--set",
        f"data.other=folder:{tmp_path / 'small'}",
    )
    assert "20 x 20 x 3; set data.channels, data.pad_to or data.resize_to" in refused


def test_a_second_domain_that_changed_is_not_resumed_on(carried: Path, tmp_path: Path) -> None:
    folder(tmp_path / "target", "train/good")
    train_translator("pixelda", f"folder:{carried / 'source'}", tmp_path / "run", f"data.other=folder:{tmp_path / 'target'}")
    save(tmp_path / "target" / "train" / "good" / "new.png", frame())
    refused = fail("train", "pixelda", f"folder:{carried / 'source'}", "--out", tmp_path / "run", "--resume", "--epochs", "2")
    assert "began with other frames of the second domain" in refused


# geometry


class Mirror(torch.nn.Module):
    """Translates a frame into itself, darker by half where asked."""

    directions = ("AtoB",)

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(factor))

    def translate(self, batch: Batch, direction: str = "AtoB") -> torch.Tensor:
        assert batch.image.shape[2:] == (16, 16)
        return batch.image * self.factor


def translator(*arguments: float) -> _Translator:
    return _Translator(Mirror(*arguments), torch.device("cpu"), "AtoB", 16)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (37, 90), (9, 40), (16, 17)])
def test_tiles_of_an_identity_give_the_frame_back(height: int, width: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert np.array_equal(_tiled(translator(), pixels), pixels)


def test_a_resized_frame_of_the_models_size_is_left_as_it_is() -> None:
    pixels = frame()
    assert np.array_equal(_resized(translator(), pixels), pixels)
    assert np.abs(_resized(translator(0.5), pixels).astype(float) - pixels / 2).max() <= 0.5
