"""The scripts of the page on clusters call commands as they are."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from pathlib import Path

import click
from medgen_cli.main import main

PAGE = (Path(__file__).parents[1] / "docs" / "cluster.md").read_text(encoding="utf-8")
AFTER_ITS_OPTIONS = '#!/bin/sh\nwhile [ "$1" != medgen ]; do shift; done\nexec "$@"\n'
PROGRAMS = {  # in the place of those of a cluster, and of medgen: one writes down what it was asked
    "medgen": '#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done > "$(mktemp FOLDER/said-XXXXXX)"\n',
    "srun": AFTER_ITS_OPTIONS,
    "torchrun": AFTER_ITS_OPTIONS,
    "ssh": '#!/bin/sh\nsh -c "${2% &}"\n',
}


def test_the_job_scripts_train_each_run_by_itself_and_collect_them(tmp_path: Path) -> None:
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(text.replace("FOLDER", str(tmp_path)))
        (tmp_path / name).chmod(0o755)
    near = {"PATH": f"{tmp_path}:{os.defpath}", "SLURM_ARRAY_TASK_ID": "5", "SLURM_CPUS_PER_TASK": "4"}
    for script in re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        subprocess.run(["bash", "-c", script], cwd=tmp_path, env=near, check=True, timeout=60)
    asked = [path.read_text().splitlines() for path in tmp_path.glob("said-*")]
    parsed = [main.get_command(click.Context(main), words[0]).make_context(words[0], words[1:]).params for words in asked]
    trained = {str(one["out"]): one["assignments"] for one in parsed if "backend" in one and str(one["out"]) != "RUN"}
    assert trained.keys() == {"RUNS/vqvae-seed1", *(f"RUNS/vae-seed{seed}" for seed in range(3))}
    assert trained["RUNS/vae-seed2"] == ("train.seed=2", 'data.overlay="common"')
    assert [str(one["out"]) for one in parsed if "inputs" in one] == ["COLLECTED", "COLLECTED"]
    divided = [(one["devices"] or 1, one["nodes"] or 1) for one in parsed if str(one.get("out")) == "RUN"]
    assert Counter(divided) == {(4, 1): 1, (2, 1): 2, (1, 1): 2, (4, 2): 2}  # by torchrun, the second of which says how many
