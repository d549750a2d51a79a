#!/usr/bin/env bash
# The side data of a PyAV frame is a mapping whose values(), items() and dict() raise KeyError once there is something in it.
#
# Library:  PyAV 18.1.0
# Expected: frame.side_data is a collections.abc.Mapping: its keys can be looked up, values() and items() list what it holds.
# Instead:  iteration gives the entries themselves, look-up takes their type or their number. So each key that the mapping gives
#           out is unknown to it. Of a frame without side data all is well, because nothing is looked up.
# Seen:     plain:   rotation 0, entries 0; values() ok, items() ok, dict() ok
#           rotated: rotation 90, entries 1; values() KeyError, items() KeyError, dict() KeyError
# Matters:  telephones and capture boxes write rotated MP4. Code that looks through the side data for the turn is right in tests
#           with plain videos and breaks at the first frame of a rotated one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from collections.abc import Mapping

import av
import numpy as np
from av.sidedata.sidedata import Type

METHODS = {"values()": lambda data: list(data.values()), "items()": lambda data: list(data.items()), "dict()": dict}


def first_frame(turn: int) -> av.VideoFrame:
    with av.open("a.mp4", "w") as target:
        stream = target.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        if turn:
            stream.set_display_rotation(turn)
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")
        for packet in [*stream.encode(frame), *stream.encode()]:
            target.mux(packet)
    with av.open("a.mp4") as source:
        return next(source.decode(video=0))


def outcome(method, data: Mapping) -> str:
    try:
        method(data)
    except KeyError:
        return "KeyError"
    return "ok"


found = {}
for name, turn in (("plain", 0), ("rotated", 90)):
    frame = first_frame(turn)
    data = frame.side_data
    assert isinstance(data, Mapping)
    assert (frame.rotation, len(data)) == (turn, turn // 90)
    found[name] = [outcome(method, data) for method in METHODS.values()]
    words = ", ".join(f"{method} {result}" for method, result in zip(METHODS, found[name], strict=True))
    print(f"{name + ':':8} rotation {frame.rotation}, entries {len(data)}; {words}")
assert data[Type.DISPLAYMATRIX] is data[0]
assert found == {"plain": ["ok"] * 3, "rotated": ["KeyError"] * 3}
PYTHON
