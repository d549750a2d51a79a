#!/usr/bin/env bash
# The masked autoencoder of transformers hides three quarters of a picture, others each time, in evaluation as well.
#
# Library:  transformers 5.24.0, with torch 2.13.0
# Expected: after eval() and without a gradient, the features of one picture are the same at each call, and of all its patches.
# Instead:  ViTMAEModel draws which patches it sees at every call. config.mask_ratio decides, 0.75 unless set, and neither eval() nor
#           inference_mode does. With mask_ratio=0 the patches still come in another order each time.
# Seen:     mask_ratio=0.75: 5 tokens of 16 patches, equal twice False
#           mask_ratio=0.0: 17 tokens of 16 patches, equal twice False, equal in another order True
# Matters:  distances of such features are noise of the draw: a frame has another anomaly score at each run, and a map of the patches
#           shows them at wrong places.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 transformers==5.24.0
cd "$folder"
HF_HUB_OFFLINE=1 venv/bin/python - <<'PYTHON'
import torch
from transformers import ViTMAEConfig, ViTMAEModel

torch.manual_seed(0)
picture = torch.rand(1, 3, 64, 64)
for ratio in (0.75, 0.0):
    settings = ViTMAEConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=64, mask_ratio=ratio
    )
    net = ViTMAEModel(settings).eval()
    with torch.inference_mode():
        first, second = (net(picture).last_hidden_state[0] for _ in range(2))
    text = f"mask_ratio={ratio}: {len(first)} tokens of {settings.image_size**2 // settings.patch_size**2} patches, "
    text += f"equal twice {torch.equal(first, second)}"
    assert not torch.equal(first, second)
    if ratio == 0:
        apart = torch.cdist(first, second).min(dim=1)
        text += f", equal in another order {bool((apart.values < 1e-3).all() and len(set(apart.indices.tolist())) == len(first))}"
        assert len(first) == 17
        assert (apart.values < 1e-3).all()
    else:
        assert len(first) == 5
    print(text)
PYTHON
