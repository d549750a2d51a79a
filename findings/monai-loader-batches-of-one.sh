#!/usr/bin/env bash
# MONAI's DataLoader(dataset, 32) makes batches of one frame by 32 processes: its second argument is not PyTorch's.
#
# Libraries: MONAI 1.6.1, torch 2.13.0
# Expected:  `monai.data.DataLoader` is a subclass of `torch.utils.data.DataLoader` and its drop-in; `DataLoader(dataset, 2)` makes
#            batches of two in the process itself, as PyTorch's does.
# Instead:   the second argument of MONAI's is the number of worker processes. Batches have one frame, and nothing says so.
# Seen:      torch:  batches [2, 2, 2, 2], workers 0
#            MONAI:  batches [1, 1, 1, 1, 1, 1, 1, 1], workers 2
# Matters:   code that changes its import to MONAI's trains with batches of one: other gradients, other batch statistics, another
#            model, and as many more steps an epoch. In a comparison of speed it made MONAI look eleven times as slow as it is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
cat > loaders.py <<'PYTHON'
import monai.data
import torch.utils.data

FRAMES = list(torch.zeros(8, 1, 16, 16))


def look(name, loader):
    found = [len(batch) for batch in loader], loader.num_workers
    print(f"{name}: batches {found[0]}, workers {found[1]}")
    return found


if __name__ == "__main__":
    assert issubclass(monai.data.DataLoader, torch.utils.data.DataLoader)
    assert look("torch", torch.utils.data.DataLoader(FRAMES, 2)) == ([2, 2, 2, 2], 0)
    assert look("MONAI", monai.data.DataLoader(FRAMES, 2)) == ([1] * 8, 2)
PYTHON
venv/bin/python loaders.py
