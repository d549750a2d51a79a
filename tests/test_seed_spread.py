"""How far runs lie apart that differ in their seed alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks import seed_spread


def write(path: Path, metrics: dict[str, Any]) -> Path:
    path.write_text(json.dumps(metrics))
    return path


def test_what_all_runs_have_is_spread_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    areas = {"a": 0.8, "b": 0.9}
    quality = {"normal": {"psnr": {"mean": 20.0}}}
    files = [
        write(tmp_path / "a", {"detection": {"auroc": {"value": areas["a"]}}, "quality": quality, "pixel": {"auroc": 0.5}}),
        write(tmp_path / "b", {"detection": {"auroc": {"value": areas["b"]}}, "quality": quality, "pixel": None}),
    ]
    seed_spread.main(files)
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"runs", "auroc", "psnr_normal"} and found["runs"] == 2
    assert found["auroc"]["values"] == [0.8, 0.9] and found["auroc"]["mean"] == pytest.approx(0.85)
    assert found["auroc"]["high"] - 0.85 == pytest.approx(12.7062 * 0.05, abs=1e-4)  # Student's t of one degree of freedom
    assert found["psnr_normal"]["std"] == 0.0


def test_one_run_has_no_spread(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="two runs or more"):
        seed_spread.main([tmp_path / "a"])
