"""What a DICOM node is sent comes out at another node as a map of the same patient; DCMTK's storescu is who sends."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from shutil import which
from threading import Thread
from threading import enumerate as enumerate_threads
from time import monotonic, sleep
from typing import Any, NamedTuple

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import SecondaryCaptureImageStorage  # type: ignore[attr-defined]
from sources import noise
from untrained import make_frames, make_run
from writers import write_dicom

from medgen import api
from medgen.errors import ConfigError
from medgen.service.answers import secondary_capture
from medgen.service.desk import Desk
from medgen.service.dicom_node import ASSOCIATIONS, dicom_node
from medgen.service.dicom_settings import DicomSettings
from medgen.service.guard import Noted
from medgen.service.limits import Limits
from medgen.service.serve import serve

LIMITS = Limits(body=300_000, unpacked=1_000_000, seconds=10)


class Case(NamedTuple):
    """A node that is up, what its receiver got and answers, what was noted, and where the node sends from."""

    port: int
    received: list[pydicom.Dataset]
    noted: list[Noted]
    desk: Desk
    archive: str
    answers: list[int]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("node")
    run = api.load(make_run(make_frames(folder / "frames"), folder / "run").folder)
    received: list[pydicom.Dataset] = []
    noted: list[Noted] = []
    answers: list[int] = []  # 0000 where there is none
    receiver = AE(ae_title="ARCHIVE")
    receiver.add_supported_context(SecondaryCaptureImageStorage)

    def keep(event: Any) -> int:
        received.append(pydicom.dcmread(BytesIO(event.encoded_dataset())))
        return answers.pop(0) if answers else 0x0000

    server = receiver.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)])
    archive = f"ARCHIVE@127.0.0.1:{server.socket.getsockname()[1]}"
    settings = DicomSettings(0, archive, callers=["STORESCU"])
    desk = Desk(run, LIMITS)
    with dicom_node(desk, settings, "127.0.0.1", LIMITS, noted.append) as address:
        yield Case(int(address.rpartition(":")[2]), received, noted, desk, archive, answers)
    server.shutdown()
    desk.close()


def is_of_dcmtk(program: str) -> bool:
    """Tell DCMTK's program from that of pynetdicom, which has the same name."""
    return "dcmtk" in subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout


def send(case: Case, path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Send a file by DCMTK's storescu."""
    found = (which("storescu", path=folder) for folder in os.get_exec_path())
    program = next(filter(is_of_dcmtk, filter(None, found)), None)
    if not program:
        pytest.skip("storescu of DCMTK is not installed (apt-get install dcmtk)")
    line = [program, "-v", "-aec", "MEDGEN", *options, "127.0.0.1", str(case.port), str(path)]
    return subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)


def test_a_frame_that_is_stored_comes_out_as_a_map_of_the_same_patient(case: Case, tmp_path: Path) -> None:
    pixels = noise(32, 32, 3)
    path = write_dicom(tmp_path / "a.dcm", pixels, "RGB", PatientID="P7", PatientName="Doe^Jane", StudyInstanceUID="1.2.3.4")
    sent = send(case, path)
    assert sent.returncode == 0 and "Success" in sent.stdout + sent.stderr
    drawn = case.received[-1]
    assert (drawn.PatientID, drawn.StudyInstanceUID, drawn.Modality) == ("P7", "1.2.3.4", "OT")
    scored = api.load(case.desk.run.run.folder).score([path]).table["score"].iloc[0]
    assert f"score {scored:.6g}" in drawn.ImageComments
    (expected,) = case.desk.run.maps([path])
    rescaled = drawn.pixel_array * float(drawn.RescaleSlope) + float(drawn.RescaleIntercept)
    np.testing.assert_allclose(rescaled, expected, atol=float(drawn.RescaleSlope))
    assert (case.noted[-1].method, case.noted[-1].route) == ("C-STORE", "0000")


def test_a_map_that_comes_back_is_refused(case: Case, tmp_path: Path) -> None:
    path = write_dicom(
        tmp_path / "a.dcm", noise(32, 32), "MONOCHROME2", Manufacturer="medgen", ImageType=["DERIVED", "SECONDARY"]
    )
    before = len(case.received)
    send(case, path)
    assert len(case.received) == before and case.noted[-1].route == "A900"


def test_what_is_larger_than_it_may_be_ends_the_association(case: Case, tmp_path: Path) -> None:
    before = len(case.received)
    sent = send(case, write_dicom(tmp_path / "a.dcm", noise(400, 400, 3), "RGB"))
    assert sent.returncode != 0 and len(case.received) == before


def test_what_inflates_to_more_than_it_may_be_is_refused(case: Case, tmp_path: Path) -> None:
    padding = bytes(LIMITS.unpacked + 1)
    path = write_dicom(
        tmp_path / "a.dcm", noise(32, 32), "MONOCHROME2", syntax=DeflatedExplicitVRLittleEndian, DataSetTrailingPadding=padding
    )
    entity = AE(ae_title="STORESCU")
    entity.add_requested_context(SecondaryCaptureImageStorage, DeflatedExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", case.port, ae_title="MEDGEN")
    told = association.send_c_store(path)
    association.release()
    assert (told.Status, told.ErrorComment) == (0xC000, "inflates to more than 1,000,000 bytes")


def test_why_a_file_is_no_picture_is_told_within_the_letters_of_a_comment(case: Case, tmp_path: Path) -> None:
    association = associated(case.port)
    told = association.send_c_store(write_dicom(tmp_path / "a.dcm", noise(32, 32), "CIELAB"))
    association.release()
    assert (told.Status, told.ErrorComment) == (0xC000, "DICOM colour space 'CIELAB' is not supported")


def test_who_is_not_named_may_not_send(case: Case, tmp_path: Path) -> None:
    sent = send(case, write_dicom(tmp_path / "a.dcm", noise(32, 32, 3), "RGB"), "-aet", "STRANGER")
    assert sent.returncode != 0 and "Calling AE Title Not Recognized" in sent.stdout + sent.stderr


def associated(port: int) -> Association:
    """Ask for an association to send secondary captures by."""
    entity = AE(ae_title="STORESCU")
    entity.add_requested_context(SecondaryCaptureImageStorage, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, ae_title="MEDGEN")
    assert association.is_established
    return association


def comes_true(what: Callable[[], bool]) -> bool:
    """Wait for something, less long than the node waits for anything."""
    until = monotonic() + LIMITS.seconds / 2
    while not (true := what()) and monotonic() < until:
        sleep(0.02)
    return true


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    return write_dicom(tmp_path / "frame.dcm", noise(32, 32, 3), "RGB", PatientID="P7")


def test_a_map_that_the_archive_takes_with_a_warning_is_taken(case: Case, frame: Path) -> None:
    association = associated(case.port)
    case.answers.extend([0xB000, 0xA700])  # coercion of data elements; out of resources
    told = [association.send_c_store(frame) for _ in range(2)]
    association.release()
    assert [status.Status for status in told] == [0x0000, 0xC001] and "(status A700)" in told[1].ErrorComment


def test_each_map_of_a_file_is_drawn_once_the_one_before_is_sent(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, drawn = len(case.received), list[int]()

    def counted(*args: Any) -> Any:
        drawn.append(len(case.received) - before)
        return secondary_capture(*args)

    monkeypatch.setattr("medgen.service.dicom_node.secondary_capture", counted)
    association = associated(case.port)
    path = write_dicom(tmp_path / "a.dcm", np.stack([noise(32, 32, 3)] * 3), "RGB", frames=3, PatientID="P7")
    assert association.send_c_store(path).Status == 0x0000
    association.release()
    assert drawn == [0, 1, 2]


def test_half_a_message_keeps_no_place(case: Case) -> None:
    settings, limits = DicomSettings(0, case.archive), Limits(seconds=0.2)
    with (
        dicom_node(case.desk, settings, "127.0.0.1", limits) as address,
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=5) as peer,
    ):
        peer.sendall(b"\1\0\0")
        assert peer.recv(1) == b""  # closed


def test_a_message_that_announces_more_than_it_may_be_is_not_waited_for(case: Case) -> None:
    with socket.create_connection(("127.0.0.1", case.port), timeout=5) as peer:
        peer.sendall(b"\1\0" + (LIMITS.body + 1).to_bytes(4, "big"))
        assert peer.recv(1) == b""
    assert case.noted[-1][:3] == ("DICOM", "closed, larger than it may be", 413)


def test_a_stop_ends_associations_and_asks_for_what_comes_late_to_be_sent_again(case: Case, frame: Path) -> None:
    desk = Desk(case.desk.run, LIMITS)
    with dicom_node(desk, DicomSettings(0, case.archive), "127.0.0.1", LIMITS) as address:
        association = associated(int(address.rpartition(":")[2]))
        desk.close()
        late = association.send_c_store(frame)
    association.join(5)
    assert late.Status == 0xA700 and "send this again" in late.ErrorComment and association.is_aborted


def test_a_stop_lets_go_of_an_archive_that_does_not_answer(case: Case, frame: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medgen.service.dicom_node.PATIENCE", 0.1)
    before = {*enumerate_threads()}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        archive = f"ARCHIVE@127.0.0.1:{silent.getsockname()[1]}"
        with dicom_node(case.desk, DicomSettings(0, archive), "127.0.0.1", LIMITS) as address:
            association = associated(int(address.rpartition(":")[2]))
            sender = Thread(target=lambda: association.send_c_store(frame))
            sender.start()
            reached, _ = silent.accept()
        with reached:
            assert comes_true(lambda: all(thread.daemon for thread in {*enumerate_threads()} - before))


@pytest.mark.parametrize("send_to", ["archive", "ARCHIVE@127.0.0.1:0", "ARCHIVE@127.0.0.1:65536", "A" * 17 + "@127.0.0.1:104"])
def test_an_address_that_is_none_is_refused(case: Case, send_to: str) -> None:
    with (
        pytest.raises(ConfigError, match="expected TITLE@HOST:PORT, titles of at most 16 letters, and a port from 1 to 65535"),
        dicom_node(case.desk, DicomSettings(0, send_to), "127.0.0.1", LIMITS),
    ):
        pass


@pytest.mark.parametrize(
    ("dicom", "host", "told"),
    [
        (DicomSettings(0, "archive"), "127.0.0.1", "expected TITLE@HOST:PORT"),
        (DicomSettings(0, "ARCHIVE@127.0.0.1:104", run="RAN"), "127.0.0.1", "there is no run 'RAN'; did you mean 'RUN'"),
        (DicomSettings(0, "ARCHIVE@127.0.0.1:104"), "0.0.0.0", "say who may, by --dicom-from"),
    ],
)
def test_what_is_wrong_with_a_node_is_told_before_the_runs_are_loaded(
    dicom: DicomSettings, host: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=told):
        serve([tmp_path / "RUN"], host=host, port=0, token="0123456789abcdef", dicom=dicom)  # there is no such folder


def test_a_port_that_is_taken_is_told_with_the_option_to_choose_another(case: Case) -> None:
    with (
        pytest.raises(ConfigError, match=rf"port {case.port}: .*; choose another --dicom-port \(0: any\)"),
        dicom_node(case.desk, DicomSettings(case.port, case.archive), "127.0.0.1", LIMITS),
    ):
        pass


def test_connections_that_ask_for_nothing_leave_their_places_at_once(case: Case) -> None:
    for _ in range(ASSOCIATIONS):  # as a load balancer looks whether the port is open
        socket.create_connection(("127.0.0.1", case.port), timeout=5).close()
    entity, found = AE(ae_title="STORESCU"), []
    entity.add_requested_context(SecondaryCaptureImageStorage)

    def is_established() -> bool:
        found.append(entity.associate("127.0.0.1", case.port, ae_title="MEDGEN"))
        return found[-1].is_established

    assert comes_true(is_established)
    found[-1].release()


def test_a_refused_association_is_noted_with_its_reason_and_without_its_titles(case: Case) -> None:
    entity = AE(ae_title="STORESCU")
    entity.add_requested_context(SecondaryCaptureImageStorage)
    assert entity.associate("127.0.0.1", case.port, ae_title="ELSEWHERE").is_rejected
    assert comes_true(lambda: case.noted[-1][:3] == ("DICOM", "refused, Called AE title not recognised", 403))
