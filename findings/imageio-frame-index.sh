#!/usr/bin/env bash
# imageio's frame number 7 is frame 12 of a transport stream and frame 6 of an AVI file; read one after the other all are in their places.
#
# Library:  imageio 2.38.1, with av 18.1.0
# Expected: `imread(video, index=7)` is the eighth picture that `imiter` gives, as it is of a plain MP4 file.
# Instead:  unless told otherwise the number is made a time by the average rate, and what lies at that time, or at the key frame after it, is
#           taken for the frame. With constant_framerate=False the frames are right.
# Seen:     H.264 at 25 frames a second, asked for 7, 21, 35: MPEG-TS 12, 24, 36; AVI 6, 20, 34; MP4 with a pause of ten frames
#           after frame 20: 7, 21, 26; plain MP4 7, 21, 35
# Matters:  scopes and capture cards write transport streams and AVI, and recordings that are paused have gaps; marks of a finding are laid
#           on another picture, and nothing is said.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check imageio==2.38.1 av==18.1.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from fractions import Fraction

import av
import imageio.v3 as imageio
import numpy as np


def write(name, pause=0):
    """Write 60 grey frames, each by four levels lighter than the one before."""
    with av.open(name, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0", "g": "12"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for index in range(60):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 4 * index, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index + (pause if index > 20 else 0), Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def number(picture):
    return round(float(picture.mean()) / 4)


wanted = (7, 21, 35)
found = {}
for name, pause in (("plain.mp4", 0), ("pause.mp4", 9), ("stream.ts", 0), ("capture.avi", 0)):
    write(name, pause)
    assert [number(picture) for picture in imageio.imiter(name, plugin="pyav")] == list(range(60))
    found[name] = [number(imageio.imread(name, plugin="pyav", index=index)) for index in wanted]
    exact = [number(imageio.imread(name, plugin="pyav", index=index, constant_framerate=False)) for index in wanted]
    print(f"{name}: asked for {list(wanted)}, got {found[name]}, with constant_framerate=False {exact}")
    assert exact == list(wanted)
assert found == {"plain.mp4": [7, 21, 35], "pause.mp4": [7, 21, 26], "stream.ts": [12, 24, 36], "capture.avi": [6, 20, 34]}
PYTHON
