#!/usr/bin/env bash
# A program that torch.export saves after decomposition holds addresses of memory: the same net, exported twice, gives two different files.
#
# Library:  torch 2.13.0
# Expected: exporting one net twice and saving it under one name writes the same bytes, as it does without run_decompositions().
# Instead:  each node says what it was made from, and names that graph by the address it had in the memory of the process ("graph_id").
# Seen:     as exported: same content True, addresses 0
#           decomposed: same content False, addresses 4
# Matters:  a registry, a cache or a report that knows a model by the digest of its file takes the same model for another one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import re
from zipfile import ZipFile

import torch

net = torch.nn.Linear(2, 2)


def saved(decomposed: bool) -> str:
    program = torch.export.export(net, (torch.ones(1, 2),))
    torch.export.save(program.run_decompositions() if decomposed else program, "net.pt2")
    return ZipFile("net.pt2").read("net/models/model.json").decode()


for decomposed in (False, True):
    first, second = saved(decomposed), saved(decomposed)
    addresses = len(re.findall(r'graph_id\\": \d+', first))
    print(f"{'decomposed' if decomposed else 'as exported'}: same content {first == second}, addresses {addresses}")
    assert (first == second) is not decomposed and (addresses > 0) is decomposed
PYTHON
