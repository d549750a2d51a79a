#!/usr/bin/env bash
# OpenSlide sees one level where a pyramid lies in SubIFDs, as OME-TIFF has it: its thumbnail reads the whole slide.
#
# Library:  openslide-python 1.4.7 with openslide-bin 4.0.1.2; beside it tiffslide 3.0.1 and tifffile 2026.3.3
# Expected: the levels of a tiled TIFF pyramid are the slide's levels, wherever the format allows them to be kept.
# Instead:  OpenSlide opens the file, without a word, and has its full size alone; smaller levels count only as pictures of the main chain.
# Seen:     levels of the same picture, in the chain and in SubIFDs: OpenSlide 3 and 1, tiffslide 3 and 3, tifffile 3 and 3;
#           best level for a downsampling by 4: 2 and 0
# Matters:  what looks at an overview first (finding the tissue, counting tiles, a thumbnail) takes sixteen times the pixels here and, of a
#           slide that has a level of 1/32, a thousand times; and a number of a level that another program wrote down does not exist.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openslide-python==1.4.7 openslide-bin==4.0.1.2 tiffslide==3.0.1 \
    tifffile==2026.3.3 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import tifffile
from openslide import OpenSlide
from tiffslide import TiffSlide

slide = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)


def write(name, below):
    """Write the slide with two smaller levels, below the first picture or after it."""
    with tifffile.TiffWriter(name) as file:
        file.write(slide, tile=(256, 256), photometric="rgb", subifds=2 if below else None)
        for step in (2, 4):
            file.write(slide[::step, ::step], tile=(256, 256), photometric="rgb", subfiletype=1)


write("chain.tif", below=False)
write("subifds.tif", below=True)
levels = {kind.__name__: [kind(name).level_count for name in ("chain.tif", "subifds.tif")] for kind in (OpenSlide, TiffSlide)}
levels["tifffile"] = [len(tifffile.TiffFile(name).series[0].levels) for name in ("chain.tif", "subifds.tif")]
best = [OpenSlide(name).get_best_level_for_downsample(4) for name in ("chain.tif", "subifds.tif")]
print("levels in the chain and in SubIFDs:", levels, "; best level for a downsampling by 4:", best)
assert levels == {"OpenSlide": [3, 1], "TiffSlide": [3, 3], "tifffile": [3, 3]} and best == [2, 0]
PYTHON
