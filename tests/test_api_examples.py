"""The example in the docstring of each function of the library runs as it stands there."""

from __future__ import annotations

import doctest
import shutil
from pathlib import Path
from typing import Any

import pytest
from sources import folder, mnist, noise
from writers import save

from medgen import api
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import PrepareSettings
from medgen.nn.features.extractors import EFFICIENTNET, available
from medgen.verbs import demo

SMALL = {"train": 16, "val": 24, "test_normal": 8, "test_abnormal": 8, "width": 160, "height": 160}
pytestmark = pytest.mark.usefixtures("blank_charts", "no_comparison_pdf", "few_draws", "narrow_endovae", "no_stacks")
TINY = ["train.epochs=1", "train.panel_epochs=0", "data.batch_size=8"]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the names in capitals stand for: one tiny data set and one run of it for all examples."""
    root = tmp_path_factory.mktemp("examples")
    frames = make_phantom(root / "frames", PhantomSettings(**SMALL))
    data = api.prepare(frames, root / "data", PrepareSettings(size=32)).folder
    run = api.train(data, root / "run", api.recipe("vae", None, [*TINY, "model.widths=[8]", "model.latents=2"])).folder
    pairs = Path(f"unpaired:{folder(root / 'domains', 'trainA', 'trainB', 'testA', 'testB')}")
    translator = api.recipe("cyclegan", None, [*TINY, "model.generator_width=4", "model.critic_width=4"])
    (root / "study.toml").write_text(f'dataset = "{data}"\n[common]\ntrain.epochs = 1\ndata.batch_size = 8\n[backends.vae]\n')
    (root / "photographs").mkdir()
    save(root / "photographs" / "1.png", noise(40, 60, 3))
    return {
        "api": api,
        "FRAMES": frames,
        "DATA": data,
        "RUN": run,
        "OTHER_RUN": Path(shutil.copytree(run, root / "other")),
        "TRANSLATOR": api.train(pairs, root / "translator", translator).folder,
        "STUDY": root / "study.toml",
        "MNIST": mnist(root / "mnist"),
        "PHOTOGRAPHS": root / "photographs",
    }


@pytest.mark.parametrize("name", api.__all__)
def test_the_example_runs(name: str, names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "fid" and EFFICIENTNET not in available():
        pytest.skip("efficientnet-lite0 is not installed")
    monkeypatch.setattr(demo, "PhantomSettings", lambda difficulty: PhantomSettings(difficulty=difficulty, **SMALL))
    docstring = getattr(api, name).__doc__
    example = doctest.DocTestParser().get_doctest(docstring, {**names, "OUT": tmp_path}, name, None, None)
    assert example.examples, f"the docstring of api.{name} has no example"
    report: list[str] = []
    doctest.DocTestRunner().run(example, out=report.append)
    assert not report, "".join(report)
