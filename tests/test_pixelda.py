"""PixelDA: nets as published, losses of the right players, and no label of the target domain anywhere."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from pixelda_models import CLASSES, small, turns, values
from tiny import batch, training_batch
from torch import Tensor, nn

from medgen.backends.pixelda import Config, Model, accuracy, entropy, task_loss
from medgen.errors import BackendError, ConfigError
from medgen.nn.translation.pixelda_nets import pairwise_squared_error
from medgen.types import Batch


def reached(loss: Tensor, *modules: nn.Module) -> list[bool]:
    """Whether a gradient of the loss reaches any weight of each module."""
    return [
        any(
            slope is not None for slope in torch.autograd.grad(loss, [*module.parameters()], retain_graph=True, allow_unused=True)
        )
        for module in modules
    ]


# turns


def test_discriminator_and_generator_take_turns_and_the_other_classifier_follows() -> None:
    assert [*turns(small(), training_batch())] == ["discriminator", "generator", "source_only"]


def test_the_first_turn_moves_discriminator_and_classifier_and_leaves_the_generator() -> None:
    model = small()
    losses = dict(model.turns(training_batch(), 0.5))["discriminator"]
    parts = (model.discriminator, model.classifier, model.generator, model.source_only)
    assert reached(losses["discriminator"], *parts) == [True, False, False, False]
    assert reached(losses["task_source"] + losses["task_adapted"], *parts) == [False, True, False, False]


def test_the_generator_learns_from_discriminator_and_classifier() -> None:
    model = small()
    losses = turns(model, training_batch())["generator"]
    assert [*losses] == ["generator", "task_generator"]
    assert reached(losses["generator"], model.generator) == reached(losses["task_generator"], model.generator) == [True]


def test_losses_are_weighted_as_the_settings_say() -> None:
    plain = values(small(discriminator_weight=1, generator_weight=1, task_weight=1), training_batch())
    paper = values(small(), training_batch())
    shares = {name: paper[name] / plain[name] for name in plain}
    assert shares == pytest.approx(
        {"discriminator": 0.13, "task_source": 1, "task_adapted": 1, "generator": 0.011, "task_generator": 0.01, "source_only": 1}
    )


def test_adapted_frames_are_told_apart_from_target_frames_and_not_from_source_frames() -> None:
    model, frames = small(noise=0, dropout=0), training_batch()
    assert frames.other is not None
    target = frames.other.clone().requires_grad_()
    source = frames.image.clone().requires_grad_()
    losses = turns(model, replace(frames, image=source, other=target))["discriminator"]
    slopes = torch.autograd.grad(losses["discriminator"], [target, source], allow_unused=True)
    assert slopes[0] is not None and slopes[1] is None  # adapted frames are cut off from the generator


def test_the_baseline_learns_from_source_frames_alone() -> None:
    model, frames = small(), training_batch()
    assert frames.other is not None
    source, target = frames.image.clone().requires_grad_(), frames.other.clone().requires_grad_()
    loss = turns(model, replace(frames, image=source, other=target))["source_only"]["source_only"]
    assert reached(loss, model.source_only, model.generator, model.classifier) == [True, False, False]
    slopes = torch.autograd.grad(loss, [source, target], allow_unused=True)
    assert slopes[0] is not None and slopes[1] is None


def test_the_baseline_starts_from_the_weights_of_the_adapted_classifier() -> None:
    model = small()
    for one, other in zip(model.classifier.parameters(), model.source_only.parameters(), strict=True):
        assert torch.equal(one, other) and one is not other


def test_frames_of_unknown_class_teach_the_classifiers_nothing() -> None:
    logits = torch.randn(4, 3)
    finding = torch.tensor([0, -1, 2, -1])
    known = nn.functional.cross_entropy(logits[[0, 2]], finding[[0, 2]])
    torch.testing.assert_close(task_loss(logits, finding), known)
    assert task_loss(logits, torch.full((4,), -1)).item() == 0


def test_accuracy_counts_known_frames_alone() -> None:
    logits = torch.eye(3)[[0, 1, 1, 0]]
    assert accuracy(logits, torch.tensor([0, 2, -1, 0])).item() == pytest.approx(2 / 3)


def test_notes_tell_the_share_told_right_on_source_and_on_adapted_frames() -> None:
    model, frames = small(), replace(training_batch(), finding=torch.tensor([1, 1, 1, 0]))
    bias = model.classifier[-1].bias  # type: ignore[index]
    bias.data[:] = torch.tensor([0.0, 99, 0])
    turns(model, frames)
    assert {name: note.item() for name, note in model.notes.items()} == {"accuracy_adapted": 0.75, "accuracy_source": 0.75}


@pytest.mark.parametrize(("lacking", "word"), [("finding", "classes"), ("other", "second domain")])
def test_a_batch_without_classes_or_target_frames_is_refused_in_one_line(lacking: str, word: str) -> None:
    with pytest.raises(BackendError, match=word) as error:
        next(small().turns(replace(training_batch(), **{lacking: None}), 0.5))
    assert "\n" not in str(error.value)


# content similarity


def test_content_is_compared_where_the_settings_say() -> None:
    frames = training_batch()
    drawn, source = torch.rand_like(frames.image), 2 * frames.image - 1
    bright = (frames.image.mean(1, keepdim=True) > 0.6) & frames.valid
    for mask, place in (("valid", frames.valid), ("bright", bright)):
        model = small(content_weight=3, content_mask=mask, bright_from=0.6)
        loss = model._generator_losses(frames, source, drawn, torch.zeros(4, dtype=torch.long))["content"]
        torch.testing.assert_close(loss, 3 * pairwise_squared_error(drawn, source, place).mean())
    assert 0 < bright.sum() < frames.valid.sum()


# labels of the target are never read


class Sealed:
    """A batch that shows what training may read, and fails whoever reads anything else."""

    OPEN = ("image", "valid", "finding", "other")

    def __init__(self, frames: Batch) -> None:
        self.frames, self.read = frames, set[str]()

    def __getattr__(self, name: str) -> Tensor:
        if name not in self.OPEN:
            raise AssertionError(f"training has read {name}")
        self.read.add(name)
        return getattr(self.frames, name)

    def __len__(self) -> int:
        return len(self.frames)


def test_a_sealed_batch_gives_itself_away() -> None:
    with pytest.raises(AssertionError, match="label"):
        _ = Sealed(training_batch()).label


@pytest.mark.parametrize(("content", "unread"), [(0, {"valid"}), (1, set[str]())])
def test_training_reads_frames_and_source_classes_and_nothing_else(content: int, unread: set[str]) -> None:
    sealed = Sealed(training_batch())
    turns(small(content_weight=content), sealed)
    assert sealed.read == set(Sealed.OPEN) - unread


def test_training_is_the_same_whatever_the_labels_and_masks_are() -> None:
    frames = training_batch()
    told = [
        replace(frames, label=torch.full((4,), place), mask=torch.full((4, 1, 32, 32), bool(place)), index=frames.index + place)
        for place in (0, 1)
    ]
    assert values(small(), told[0]) == values(small(), told[1]) == values(small(), frames)


def test_the_batch_holds_no_classes_of_target_frames() -> None:
    """Its only classes are those of the source frames: other ones leave the discriminator's view of the target as it was."""
    frames = training_batch()
    assert frames.finding is not None
    one, other = values(small(), frames), values(small(), replace(frames, finding=1 - frames.finding))
    assert one["discriminator"] == other["discriminator"] and one["source_only"] != other["source_only"]


# scores


def biased(model: Model, *logits: float) -> Model:
    """Let both classifiers answer these logits whatever they see."""
    for net in (model.classifier, model.source_only):
        head = net[-1]  # type: ignore[index]
        nn.init.zeros_(head.weight)
        head.bias.data[:] = torch.tensor(logits)
    return model.eval()


def test_the_score_is_minus_the_log_of_the_probability_of_all_normal_classes() -> None:
    model = biased(small(normal_classes=("a", "c")), math.log(0.5), math.log(0.3), math.log(0.2))
    scores = model.score(batch())
    torch.testing.assert_close(scores.score, torch.full((4,), -math.log(0.7)))
    uncertainty = -(0.5 * math.log(0.5) + 0.3 * math.log(0.3) + 0.2 * math.log(0.2))
    torch.testing.assert_close(scores.components["uncertainty"], torch.full((4,), uncertainty))
    assert scores.map is None


@pytest.mark.parametrize("normal", [(), CLASSES])
def test_where_nothing_is_abnormal_the_score_is_the_entropy(normal: tuple[str, ...]) -> None:
    scores = biased(small(normal_classes=normal), 0.0, 0.0, -99.0).score(batch())
    torch.testing.assert_close(scores.score, torch.full((4,), math.log(2)))


def test_parts_tell_the_two_classifiers_apart() -> None:
    model = biased(small(normal_classes=("a",)), 0.0, 0.0, 0.0)
    model.source_only[-1].bias.data[0] = math.log(2)  # type: ignore[index]
    parts = model.score(batch()).components
    torch.testing.assert_close(parts["adapted"], torch.full((4,), math.log(3)))
    torch.testing.assert_close(parts["source_only"], torch.full((4,), math.log(2)))


def test_entropy_of_a_sure_answer_is_zero() -> None:
    assert entropy(torch.tensor([[200.0, 0.0]]).log_softmax(1)).item() == pytest.approx(0, abs=1e-6)


def test_a_normal_class_that_is_none_is_refused_with_the_right_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'polyp'"):
        small(classes=("polyp", "caecum"), normal_classes=("polip",))


def test_default_settings_build_a_model_that_scores() -> None:
    model = Model(Config(), 32, 3).eval()
    assert model.score(batch()).score.tolist() == [0] * 4  # one class, no doubt


# classify and translate


def test_the_adapted_classifier_comes_first() -> None:
    assert [*small().eval().classify(batch())] == ["adapted", "source only"]


def test_a_translation_is_the_same_every_time_and_alone() -> None:
    model, frames = small().eval(), batch()
    drawn = model.translate(frames)
    assert torch.equal(drawn, model.translate(frames))
    alone = Batch(frames.image[:1], frames.valid[:1], frames.index[:1])
    torch.testing.assert_close(model.translate(alone), drawn[:1])


def test_there_is_no_way_back_from_the_target() -> None:
    with pytest.raises(BackendError, match="known: AtoB"):
        small().eval().translate(batch(), "BtoA")
