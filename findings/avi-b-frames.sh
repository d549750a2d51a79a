#!/usr/bin/env bash
# H.264 with B-frames in an AVI file: pictures come in the right order, their times in the order of the file.
#
# Libraries: PyAV 18.1.0 (FFmpeg inside), opencv-python-headless 5.0.0.93
# Expected:  frames come in the order in which they are shown, each with its own time. The same packets in MP4 give 0, 40, 80, ...
#            milliseconds, in both libraries.
# Instead:   AVI stores no times. FFmpeg counts packets as they lie in the file, where a B-frame stands behind the later frame
#            that it needs, and gives that count to the pictures after they have been put in order. PyAV's pts go to and fro;
#            OpenCV's position begins at 80 ms and is 0 for the last two frames. No warning, neither when written nor when read.
# Seen:      a.mp4 PyAV   0, 40, 80, 120, 160, 200, 240, 280, 320, 360, 400, 440 ms
#            a.mp4 OpenCV 0, 40, 80, 120, 160, 200, 240, 280, 320, 360, 400, 440 ms
#            a.avi PyAV   40, 160, 120, 200, 80, 320, 280, 360, 240, 440, 480, 400 ms
#            a.avi OpenCV 80, 120, 160, 200, 240, 280, 320, 360, 400, 440, 0, 0 ms
# Matters:   recorders of endoscopes and ultrasound write AVI. To sort frames by time, to take one each second or to match a frame
#            with an annotation by its time then picks the wrong ones; the picture number is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from fractions import Fraction

import av
import cv2
import numpy as np

GREYS = [20 * k for k in range(12)]


def write(path: str) -> None:
    with av.open(path, "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"bf": "3", "b-adapt": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for k, grey in enumerate(GREYS):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), grey, np.uint8), "rgb24")
            frame.pts, frame.time_base = k, Fraction(1, 25)
            target.mux(stream.encode(frame))
        target.mux(stream.encode())


def by_pyav(path: str) -> tuple[list[int], list[float]]:
    with av.open(path) as source:
        frames = [(round(frame.time * 1000), frame.to_ndarray(format="gray").mean()) for frame in source.decode(video=0)]
    return [time for time, _ in frames], [grey for _, grey in frames]


def by_opencv(path: str) -> tuple[list[int], list[float]]:
    video, times, greys = cv2.VideoCapture(path, cv2.CAP_FFMPEG), [], []
    while (read := video.read())[0]:
        times.append(round(video.get(cv2.CAP_PROP_POS_MSEC)))
        greys.append(read[1].mean())
    return times, greys


found = {}
for path in ("a.mp4", "a.avi"):
    write(path)
    for name, reader in (("PyAV", by_pyav), ("OpenCV", by_opencv)):
        times, greys = reader(path)
        np.testing.assert_allclose(greys, GREYS, atol=3)
        print(f"{path} {name:6} {', '.join(map(str, times))} ms")
        found[path, name] = times
steady = [40 * k for k in range(12)]
assert found["a.mp4", "PyAV"] == found["a.mp4", "OpenCV"] == steady
assert found["a.avi", "PyAV"] == [40, 160, 120, 200, 80, 320, 280, 360, 240, 440, 480, 400]
assert found["a.avi", "OpenCV"][0] == 80
assert found["a.avi", "OpenCV"][-2:] == [0, 0]
PYTHON
