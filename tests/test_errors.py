"""What a user is told of an error of any kind."""

from __future__ import annotations

import pytest

from medgen.errors import RunError, did_you_mean, in_one_line, number_of


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RunError("no run\n here"), "no run here"),
        (MemoryError(), "out of memory; try a smaller --set data.batch_size or --size"),
        (
            RuntimeError("CUDA out of memory. Tried ..."),
            "the GPU is out of memory; try a smaller --set data.batch_size, or --device cpu",
        ),
        (KeyError("x"), "this is a bug in medgen: KeyError: 'x' (`medgen --debug ...` shows more)"),
    ],
    ids=["ours", "memory", "gpu", "bug"],
)
def test_every_error_is_one_line(error: Exception, told: str) -> None:
    assert in_one_line(error) == told


def test_a_wrong_name_leads_to_the_nearest_one_and_to_all() -> None:
    assert did_you_mean("vea", ["gan", "vae"]) == "did you mean 'vae'? known: gan, vae"


@pytest.mark.parametrize(("count", "said"), [(0, "0 files are"), (1, "1 file is"), (2, "2 files are")])
def test_what_is_counted_stands_in_its_number(count: int, said: str) -> None:
    assert number_of(count, "file is", "files are") == said
