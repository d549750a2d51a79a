"""Write the two phantom sets of the study over several data sets: large lesions of strong contrast, and small, flat ones.

``python tests/benchmarks/phantoms.py OUT`` makes the folders OUT/easy and OUT/hard, which `medgen prepare` reads.
"""

from __future__ import annotations

from pathlib import Path

from medgen.data.phantom.frames import PhantomSettings, make_phantom

DIFFICULTIES = {"easy": 0.2, "hard": 0.8}


def main(out: Path) -> None:
    """Write both sets: 160 training, 64 validation and 2 x 80 test frames of patients with 8 frames each."""
    for name, difficulty in DIFFICULTIES.items():
        counts = {"train": 160, "val": 64, "test_normal": 80, "test_abnormal": 80}
        make_phantom(out / name, PhantomSettings.parse({**counts, "difficulty": difficulty, "seed": 1}, name))


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]))
