#!/usr/bin/env bash
# Pillow stretches the levels of a grey PNG of 2 or 4 bits to 8, but not the transparent one: nothing is transparent.
#
# Library:  Pillow 13.0.0, against imagecodecs 2026.3.6 (libpng)
# Expected: a grey PNG may name one level as transparent. Of 4 bits Pillow makes 8, level 5 becomes 85; pixels that had level 5
#           are transparent in RGBA.
# Instead:  info["transparency"] still says 5, and convert looks for pixels of 5, which there are none. With 8 bits, where nothing
#           is stretched, and with 1 bit, the transparent level is found.
# Seen:     4 bits, levels [0, 5, 15]: Pillow stores [0, 85, 255] with transparency 5;
#             opacity by Pillow [255, 255, 255], by libpng [255, 0, 255]
#           2 bits, levels [0, 1, 3]: Pillow stores [0, 85, 255] with transparency 1;
#             opacity by Pillow [255, 255, 255], by libpng [255, 0, 255]
#           8 bits, levels [0, 5, 15]: Pillow stores [0, 5, 15] with transparency 5;
#             opacity by Pillow [255, 0, 255], by libpng [255, 0, 255]
# Matters:  PNG optimisers turn masks and overlays with few levels into such files, without loss. "Not annotated" that was
#           transparent becomes a grey like any other and is counted as lesion.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 imagecodecs==2026.3.6 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import io
import struct
import zlib

import imagecodecs
import numpy as np
import PIL.Image


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(levels: list[int], bits: int, transparent: int) -> bytes:
    """One row of grey levels, packed from the highest bit on."""
    packed = np.packbits([level >> k & 1 for level in levels for k in reversed(range(bits))]).tobytes()
    header = struct.pack(">2I5B", len(levels), 1, bits, 0, 0, 0, 0)
    named = chunk(b"IHDR", header) + chunk(b"tRNS", struct.pack(">H", transparent))
    return b"\x89PNG\r\n\x1a\n" + named + chunk(b"IDAT", zlib.compress(b"\0" + packed)) + chunk(b"IEND", b"")


for bits, levels in ((4, [0, 5, 15]), (2, [0, 1, 3]), (8, [0, 5, 15])):
    stream = png(levels, bits, transparent=levels[1])
    image = PIL.Image.open(io.BytesIO(stream))
    pillow = np.asarray(image.convert("RGBA"))[0, :, 3].tolist()
    libpng = imagecodecs.png_decode(stream)[0, :, 1].tolist()
    grey, key = np.asarray(image)[0].tolist(), image.info["transparency"]
    print(f"{bits} bits, levels {levels}: Pillow stores {grey} with transparency {key};")
    print(f"  opacity by Pillow {pillow}, by libpng {libpng}")
    assert libpng == [255, 0, 255]
    assert pillow == ([255, 0, 255] if bits == 8 else [255, 255, 255])
PYTHON
