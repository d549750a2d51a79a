"""Frames that a service is sent get the scores and maps of `medgen score` and `medgen maps`; what is too much is refused."""

from __future__ import annotations

import asyncio
import sys
import threading
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

import httpx
import numpy as np
import pydicom
import pytest
from asking import Client
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian
from untrained import make_run
from writers import write_dicom

from medgen import api
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import PrepareSettings
from medgen.data.writers.export import read_png
from medgen.runs.score_table import ScoreTable
from medgen.service.app import make_app
from medgen.service.desk import Desk
from medgen.service.limits import Limits, Refusal
from medgen.verbs.in_memory.loaded import LoadedRun

SCORE, MAP = "/runs/run/score", "/runs/run/map"
FEW = Limits(body=200_000, unpacked=400_000, frames=4, waiting=2, seconds=20)


class Case(NamedTuple):
    """Frames in files (a JPEG that is decoded at a fraction of its size, a PNG, a DICOM file), a run, and what `score` says."""

    files: list[Path]
    stored: ScoreTable
    loaded: LoadedRun
    client: Client


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    root = tmp_path_factory.mktemp("service")
    phantom = PhantomSettings(train=2, val=20, test_normal=1, test_abnormal=1, width=160, height=160)
    data = api.prepare(make_phantom(root / "phantom", phantom), root / "data", PrepareSettings(size=32))
    run = make_run(str(data.folder), root / "run").folder
    new = root / "new"
    new.mkdir()
    large = PhantomSettings(train=1, val=1, test_normal=1, test_abnormal=0, width=700, height=620)
    first, second, third = sorted(make_phantom(root / "large", large).rglob("*.jpg"))
    (new / "0.jpg").write_bytes(first.read_bytes())
    Image.open(second).resize((240, 200)).save(new / "1.png")
    pixels = np.asarray(Image.open(third).resize((260, 220)))
    write_dicom(new / "2.dcm", pixels, "RGB", PatientID="P7", PatientName="Doe^Jane", StudyInstanceUID="1.2.3.4")
    stored = api.score(run, new, root / "scores", pictures=False)
    loaded = api.load(run)
    return Case(sorted(new.iterdir()), stored, loaded, Client(make_app({"run": loaded}, limits=FEW)))


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def reason(answer: httpx.Response) -> tuple[int, str]:
    """Return the status of a refusal and its line."""
    return answer.status_code, answer.json()["error"]


@pytest.mark.parametrize("kind", [0, 1, 2], ids=["JPEG", "PNG", "DICOM"])
def test_a_file_that_is_sent_has_the_score_of_the_same_file_on_a_disk(kind: int, case: Case) -> None:
    (frame,) = case.client.post(SCORE, case.files[kind].read_bytes()).json()["frames"]
    stored = case.stored.table.iloc[kind]
    assert (frame["score"], frame["quantile"], frame["abnormal"]) == (stored["score"], stored["quantile"], stored["abnormal"])


def test_the_p_value_is_one_less_the_quantile(case: Case) -> None:
    (frame,) = case.client.post(SCORE, case.files[0].read_bytes()).json()["frames"]
    assert frame["p_value"] == pytest.approx(1 - case.stored.table["quantile"].iloc[0], abs=1e-12)


def test_files_of_a_zip_are_scored_in_their_order_and_those_that_cannot_be_read_are_named(case: Case) -> None:
    first, second, _ = (file.read_bytes() for file in case.files)
    answer = case.client.post(SCORE, zipped({"a/x": second, "notes.txt": b"words", "b": first, "__MACOSX/._b": b"x"})).json()
    assert [frame["name"] for frame in answer["frames"]] == ["a/x", "b"]
    assert answer["frames"][0]["score"] == case.stored.table["score"].iloc[1]
    assert answer["unread"] == [{"name": "notes.txt", "error": "is no picture, TIFF or DICOM file inside"}]


def test_a_map_is_that_of_the_frame_as_it_came(case: Case, tmp_path: Path) -> None:
    (tmp_path / "map.png").write_bytes(case.client.post(MAP, case.files[1].read_bytes()).content)
    (expected,) = case.loaded.maps([case.files[1]], at="frame")
    drawn = read_png(tmp_path / "map.png")
    assert drawn.shape == (200, 240)
    np.testing.assert_allclose(drawn, expected, atol=np.nanmax(expected) / 65000)


def test_a_frame_with_its_map_over_it_has_the_size_of_the_frame(case: Case) -> None:
    answer = case.client.post(MAP, case.files[1].read_bytes(), params={"form": "overlay"})
    picture = Image.open(BytesIO(answer.content))
    assert (answer.headers["content-type"], picture.size, picture.mode) == ("image/png", (240, 200), "RGB")


def test_a_map_as_dicom_belongs_to_the_patient_and_says_what_was_decided(case: Case) -> None:
    answer = case.client.post(MAP, case.files[2].read_bytes(), params={"form": "dicom"})
    drawn = pydicom.dcmread(BytesIO(answer.content))
    assert (drawn.PatientID, drawn.StudyInstanceUID, drawn.pixel_array.shape) == ("P7", "1.2.3.4", (220, 260))
    assert (
        f"score {case.stored.table['score'].iloc[2]:.6g}" in drawn.ImageComments and "never for diagnosis" in drawn.ImageComments
    )


def test_a_map_as_dicom_is_refused_of_a_photograph(case: Case) -> None:
    status, why = reason(case.client.post(MAP, case.files[0].read_bytes(), params={"form": "dicom"}))
    assert status == 422 and "DICOM files alone" in why


@pytest.mark.parametrize("form", ["alone", "in a zip"])
def test_a_deflated_dicom_file_is_counted_as_it_inflates(form: str, case: Case, tmp_path: Path) -> None:
    packed = {"syntax": DeflatedExplicitVRLittleEndian, "DataSetTrailingPadding": bytes(500_000)}
    body = write_dicom(tmp_path / "a.dcm", np.zeros((32, 32, 3), np.uint8), "RGB", **packed).read_bytes()
    assert len(body) < 10_000
    assert reason(case.client.post(SCORE, body if form == "alone" else zipped({"a.dcm": body}))) == (
        413,
        "a DICOM file is too large once it is inflated; send it uncompressed or compressed frame by frame",
    )


def test_maps_of_several_frames_come_in_a_zip(case: Case) -> None:
    first, second, _ = (file.read_bytes() for file in case.files)
    answer = case.client.post(MAP, zipped({"a.png": first, "../b.png": second}))
    names = ZipFile(BytesIO(answer.content)).namelist()
    assert answer.headers["content-type"] == "application/zip" and len(names) == 2 and not any(".." in name for name in names)


def test_maps_that_are_too_large_together_are_refused(case: Case) -> None:
    photograph = case.files[0].read_bytes()  # of some kilobytes, of which an overlay in PNG has hundreds
    status, why = reason(case.client.post(MAP, zipped({"a.jpg": photograph, "b.jpg": photograph}), params={"form": "overlay"}))
    assert status == 413 and "the maps of these frames are too large together" in why


def test_maps_of_files_of_one_name_are_kept_apart_and_stay_pictures_by_name(case: Case) -> None:
    frame, buffer = case.files[1].read_bytes(), BytesIO()
    with ZipFile(buffer, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        for _ in range(2):
            archive.writestr("../a.png", frame)
    with ZipFile(BytesIO(case.client.post(MAP, buffer.getvalue()).content)) as maps:
        assert len({*maps.namelist()}) == 2 and all(name.endswith(".png") and ".." not in name for name in maps.namelist())


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"", 422, "the body is empty"),
        (b"no picture", 422, "the frame cannot be read: is no picture, TIFF or DICOM file inside"),
        (b"PK\x03\x04 and no more", 422, "the zip cannot be unpacked"),
        (zipped({}), 422, "the zip holds no files"),
        (zipped({f"{k}": b"x" for k in range(5)}), 413, "the zip holds 5 files; at most 4"),
        (zipped({"zeros": bytes(500_000)}), 413, "too large once it is unpacked"),
    ],
    ids=["empty", "text", "broken zip", "empty zip", "many files", "much inside"],
)
def test_what_cannot_be_scored_is_refused_in_a_line(body: bytes, status: int, why: str, case: Case) -> None:
    assert reason(case.client.post(SCORE, body))[0] == status
    assert why in reason(case.client.post(SCORE, body))[1]


def test_a_picture_that_ends_early_is_refused(case: Case) -> None:
    status, why = reason(case.client.post(SCORE, case.files[0].read_bytes()[:3000]))
    assert status == 422 and "truncated" in why


def test_a_form_is_refused_as_its_files_would_be_put_on_a_disk(case: Case) -> None:
    status, why = reason(case.client.post(SCORE, b"x", headers={"Content-Type": "multipart/form-data; boundary=x"}))
    assert status == 415 and "--data-binary" in why


def test_a_body_is_refused_by_what_arrives_and_not_by_what_its_header_says(case: Case) -> None:
    sent = 0

    async def endless() -> object:
        nonlocal sent
        while True:
            sent += 50_000
            yield bytes(50_000)

    assert reason(case.client.post(SCORE, endless()))[0] == 413
    assert sent <= FEW.body + 1_200_000


def test_a_length_that_is_too_much_is_refused_before_it_is_read(case: Case) -> None:
    assert reason(case.client.post(SCORE, bytes(FEW.body + 1)))[0] == 413


def test_no_file_is_opened_for_writing_while_a_request_is_answered(case: Case) -> None:
    written: list[object] = []
    watching = threading.Event()

    def hook(event: str, given: tuple[object, ...]) -> None:
        if watching.is_set() and (event.startswith("tempfile.") or (event == "open" and set(str(given[1])) & set("wax+"))):
            written.append(given)

    sys.addaudithook(hook)
    watching.set()
    try:
        content = zipped({file.name: file.read_bytes() for file in case.files})
        answers = [case.client.post(SCORE, content), case.client.post(MAP, content, params={"form": "overlay"})]
    finally:
        watching.clear()
    assert [answer.status_code for answer in answers] == [200, 200] and not written


def test_who_finds_no_place_is_told_when_to_come_again(case: Case) -> None:
    async def asked() -> httpx.Response:
        desk: Desk = case.client.app.state.desks["run"]
        async with desk.place(), desk.place():
            return await case.client.asked("POST", SCORE, content=b"x")

    answer = asyncio.run(asked())
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1


def test_work_that_takes_too_long_is_answered_and_keeps_its_place_until_it_is_done(case: Case) -> None:
    desk, done = Desk(case.loaded, Limits(waiting=1, seconds=0.05)), threading.Event()
    with pytest.raises(Refusal, match=r"no answer within 0\.05 seconds") as refused:
        desk.serve_here(lambda _: done.wait(10))
    assert (refused.value.status, desk.waiting) == (504, 1)
    done.set()
    desk.close()


def test_one_frame_is_scored_at_a_time(case: Case) -> None:
    desk, inside, most = Desk(case.loaded, Limits(waiting=4)), [0], [0]

    def work(_: LoadedRun) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        threading.Event().wait(0.02)
        inside[0] -= 1

    async def both() -> None:
        await asyncio.gather(desk.serve(work), desk.serve(work), desk.serve(work))

    asyncio.run(both())
    assert most == [1]
    desk.close()
