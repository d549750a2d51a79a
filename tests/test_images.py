"""Which reader a file gets, and every way in which a file of any format can fail."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from writers import DEEP, GREY, RGB, nifti, rejected, save, write_dicom

from medgen.data.images import count_frames, is_image, read_image, read_images, stem_of, suffixes
from medgen.errors import ImageError


def test_a_frame_beyond_the_last_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no frame 4"):
        read_image(save(tmp_path / "a.png", GREY), frame=4)


def every_format(folder: Path) -> list[Path]:
    """One good file of each kind."""
    np.save(folder / "a.npy", RGB)
    np.savez_compressed(folder / "a.npz", RGB)
    cv2.imwrite(str(folder / "deep.png"), DEEP)
    cv2.imwrite(str(folder / "deep.tif"), DEEP)
    nifti(folder / "a.nii", DEEP.astype(np.float32)[..., :2])
    nifti(folder / "a.nii.gz", DEEP.astype(np.float32)[..., :2])
    write_dicom(folder / "a.dcm", RGB, "RGB")
    for name in ("a.jpg", "a.png", "a.tif", "a.bmp", "a.webp"):
        save(folder / name, RGB)
    return sorted(folder.iterdir())


def test_a_truncated_file_of_any_format_is_rejected(tmp_path: Path) -> None:
    for path in every_format(tmp_path):
        data = path.read_bytes()
        assert list(read_images(path))
        for share in (0.01, 0.1, 0.5, 0.9):
            path.write_bytes(data[: int(len(data) * share)])
            assert rejected(path), f"{path.name} cut to {share}"


def test_damaged_bytes_are_read_or_rejected_but_never_crash(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    draw = np.random.default_rng(0)
    for path in every_format(tmp_path):
        data = path.read_bytes()
        for _ in range(25):
            damaged = bytearray(data)
            for place in draw.integers(0, min(len(data), int(draw.choice([64, 400, 10**6]))), 3):
                damaged[place] = draw.integers(256)
            path.write_bytes(damaged)
            try:
                list(read_images(path))
            except ImageError as error:
                assert "\n" not in str(error)
    assert capfd.readouterr().out == ""


def test_an_empty_file_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert rejected(tmp_path / "a.jpg") == "empty file"


def test_text_named_jpg_is_rejected(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.dcm", "a.nii", "a.npz"):
        (tmp_path / name).write_text("<html>please log in</html>" * 40)
        assert "not an image inside" in rejected(tmp_path / name) or "not DICOM inside" in rejected(tmp_path / name)


def test_png_named_jpg_is_read_as_the_png_that_it_is(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", RGB).rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_image(path).pixels, RGB)


def test_dicom_named_png_is_read_as_dicom(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(write_dicom(tmp_path / "a.png", RGB, "RGB")).pixels, RGB)


def test_an_unknown_suffix_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.psd").write_bytes(b"8BPS")
    assert rejected(tmp_path / "a.psd") == "suffix '.psd' is not supported; docs/formats.md lists those that are"


def test_a_missing_file_and_a_folder_are_rejected(tmp_path: Path) -> None:
    assert rejected(tmp_path / "a.jpg") == "no such file"
    (tmp_path / "b.jpg").mkdir()
    assert rejected(tmp_path / "b.jpg") == "is a folder, not a file"


def test_a_file_without_permission_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", RGB)
    if os.geteuid() == 0:  # root may read everything
        real = Path.open
        monkeypatch.setattr(Path, "open", lambda self, *args: _forbid() if self == path else real(self, *args))
    else:
        path.chmod(0)
    assert rejected(path) == "permission denied"


def _forbid() -> None:
    raise PermissionError(13, "Permission denied")


def test_reading_in_threads_leaves_warnings_and_logging_as_they_were(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii", DEEP.astype(np.float32))
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [read_image(path) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before and not logging.getLogger("nibabel.global").disabled


def test_suffixes_and_stems(tmp_path: Path) -> None:
    assert {".jpg", ".png", ".tiff", ".bmp", ".webp", ".dcm", ".nii", ".nii.gz", ".npy", ".npz"} <= set(suffixes())
    assert stem_of(Path("x/a.b.NII.GZ")) == "a.b" and stem_of(Path("a.jpg")) == "a"
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    assert not any(is_image(tmp_path / name) for name in ("Thumbs.db", "notes.txt", "README", "DICOMDIR"))


def test_a_tiff_with_a_dicom_preamble_is_read_as_dicom(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.tif", RGB, "RGB")
    path.write_bytes(b"II*\0" + path.read_bytes()[4:])  # slide scanners write such files
    np.testing.assert_array_equal(read_image(path).pixels, RGB)


def test_counting_frames_fails_as_reading_does(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        count_frames(tmp_path / "a.png")


def test_pydicom_and_nibabel_are_imported_only_for_files_that_need_them(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", RGB)
    code = "import sys; from pathlib import Path; from medgen.data.images import read_image; read_image(Path(sys.argv[1]))"
    code += "; assert not {'pydicom', 'nibabel'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
