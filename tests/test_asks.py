"""What `medgen compare` asks of every entry before it trains the first: nets, extractors, frames, memory, time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sources import folder
from tiny import make_fit, narrow, quick_vae, training_batch

from medgen import api
from medgen.engine import memory
from medgen.engine.memory import MemoryMeter, free_memory
from medgen.errors import RunError
from medgen.runs.checks import check_memory as module
from medgen.runs.checks.check_memory import check_memory, frame_bytes, weight_bytes
from medgen.types import Progress
from medgen.verbs.study import study_runs
from medgen.verbs.study.compare import compare
from medgen.verbs.study.settings import StudySettings
from medgen.verbs.train import TrainingInputs, open_inputs

STUDY = """
dataset = "folder:{frames}"
[common]
data.batch_size = 4
train.epochs = 1
train.panel_epochs = 0
[backends.first]
backend = "vae"
settings.model.widths = [8]
[backends.second]
"""
WITHOUT_EXTRACTOR = {
    "components": 'backend = "vae"\nsettings.scoring.perceptual = "{missing}"',
    "watching": 'backend = "gan"\nsettings.watch.every = 1\nsettings.watch.extractor = "{missing}"',
    "nets": 'backend = "padim"\nsettings.model.features.extractor = "{missing}"',
}


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("frames"), "train/good", "val/good", "test/good", "test/bad", count=12)


def study_with(frames: Path, second: str, **values: object) -> StudySettings:
    file = frames.parent / "study.toml"
    file.write_text(STUDY.format(frames=frames) + second)
    return api.read_study(file).model_copy(update=values)


def said_before_training(study: StudySettings, out: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return all messages of a study up to its first training, which does not take place."""
    said: list[str] = []

    class Begun(BaseException):
        pass

    def begin(*arguments: object, **options: object) -> None:
        raise Begun

    monkeypatch.setattr(study_runs, "train", begin)
    with pytest.raises(Begun):
        compare(study, out, device="cpu", on_progress=lambda progress: said.append(progress.message))
    return said


@pytest.mark.parametrize("place", WITHOUT_EXTRACTOR)
def test_a_missing_extractor_is_told_before_the_first_training(
    place: str, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = WITHOUT_EXTRACTOR[place].format(missing="efficientnet-lite0@nowhere.safetensors")
    said = said_before_training(study_with(frames, second), tmp_path / "out", monkeypatch)
    assert [line for line in said if line.startswith("second failed: ") and "nowhere.safetensors" in line]


def test_an_entry_that_cannot_be_built_is_told_before_the_first_training(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_with(frames, 'backend = "ddpm"\nsettings.data.resize_to = 30')
    said = said_before_training(study, tmp_path / "out", monkeypatch)
    assert [line for line in said if line.startswith("second failed: ddpm with 3 widths needs a size that 4 divides")]


def test_what_each_training_takes_of_memory_is_told_before_the_first(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = said_before_training(study_with(frames, 'backend = "vae"'), tmp_path / "out", monkeypatch)
    assert [line.split(":")[0] for line in said if "GiB of memory" in line] == ["first", "second"]


def inputs(frames: Path, *assignments: str) -> TrainingInputs:
    return open_inputs(f"folder:{frames}", api.recipe("vae", None, ("train.precision=float32", *assignments)))


def needed(frames: Path, *assignments: str) -> int:
    made = inputs(frames, *assignments)
    return check_memory(made.settings, made.batches, "cpu")


def test_a_training_that_does_not_fit_is_refused_with_a_batch_that_fits(frames: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    six = needed(frames, "data.batch_size=6")
    monkeypatch.setattr(module, "free_memory", lambda device: six)
    assert needed(frames, "data.batch_size=6") == six
    with pytest.raises(RunError, match=r"in batches of 8 takes at least .* GiB are free; set data.batch_size to at most 6, or"):
        needed(frames, "data.batch_size=8")


def test_a_net_that_is_too_large_for_any_batch_is_told_so(frames: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = needed(frames, "data.batch_size=2") // 4
    monkeypatch.setattr(module, "free_memory", lambda device: 2 * weights)
    with pytest.raises(RunError, match=r"train at a smaller data.resize_to, or free some"):
        needed(frames)


def test_weights_that_do_not_fit_are_refused_before_they_are_made(frames: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "free_memory", lambda device: 2**20)
    with pytest.raises(RunError, match=r"its nets have more than .* GiB of weights, and .* GiB of memory are free"):
        needed(frames)


def test_adam_keeps_a_gradient_and_two_moments_of_each_weight() -> None:
    model = quick_vae()
    fit_weights = sum(weight.nbytes for weight in model.parameters())
    assert weight_bytes(model) == 4 * fit_weights


def test_what_is_kept_of_two_linear_layers_is_their_inputs() -> None:
    model = narrow("vae")
    layers = torch.nn.Sequential(torch.nn.Linear(3 * 32 * 32, 10), torch.nn.Tanh(), torch.nn.Linear(10, 5))
    model.turns = lambda batch, progress: iter([("vae", {"loss": layers(batch.image.flatten(1)).sum()})])  # type: ignore[method-assign]
    model.layers = layers
    assert frame_bytes(model, training_batch(4)) == 4 * (3 * 32 * 32 + 10)  # tanh keeps its output, the next layer's input


@pytest.mark.skipif(not memory.MACHINE.is_file(), reason="only Linux says how far a process has grown")
def test_a_training_takes_what_was_estimated_and_not_many_times_as_much(tmp_path: Path) -> None:
    sizes = {"widths": [128], "encoder_hidden": [], "decoder_hidden": []}
    batch = training_batch(64)
    estimate = len(batch) * frame_bytes(quick_vae(**sizes), training_batch(2))
    fit = make_fit(tmp_path, quick_vae(**sizes), epochs=1)
    meter = MemoryMeter(torch.device("cpu"))
    fit._step(batch, 0.0)
    peak = meter.peak()
    assert peak is None or 0.9 * estimate < peak < 4 * estimate


def test_a_limit_of_a_container_counts_where_it_leaves_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "job" / "step").mkdir(parents=True)
    for group, limit in (("job", "1000"), ("job/step", "max")):
        (tmp_path / group / "memory.max").write_text(f"{limit}\n")
        (tmp_path / group / "memory.current").write_text("400\n")
        (tmp_path / group / "memory.stat").write_text("anon 90\nfile 310\ninactive_file 200\nactive_file 100\n")
    (tmp_path / "cgroup").write_text("0::/job/step\n")
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2 kB\n")
    for name, place in (("GROUPS", tmp_path), ("SELF", tmp_path), ("MACHINE", tmp_path / "meminfo")):
        monkeypatch.setattr(memory, name, place)
    assert free_memory(torch.device("cpu")) == 600 + 300  # files that were read are given back
    (tmp_path / "job" / "memory.max").write_text("max\n")
    assert free_memory(torch.device("cpu")) == 2048


def test_a_trial_that_is_over_budget_is_stopped_and_the_next_entry_begins(frames: Path, tmp_path: Path) -> None:
    said: list[Progress] = []
    study = study_with(frames, 'backend = "padim"\nsettings.model.features.extractor = "efficientnet-lite0@nowhere.safetensors"')
    with pytest.raises(RunError, match="none of the backends could be compared"):
        compare(study.model_copy(update={"budget": "0.0001s"}), tmp_path / "out", device="cpu", on_progress=said.append)
    told = [progress.message for progress in said if progress.message.startswith("first failed")]
    assert told == [
        "first failed: a budget of 0.0001s is too short: it was over before a few steps of each stage were; give more, or set a "
        "smaller data.batch_size"
    ]
