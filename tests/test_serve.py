"""`medgen serve` says where it answers, answers there, and stops when it is told to."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
import warnings
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from commands import fail, succeed
from medgen_cli.main import main
from untrained import make_frames, make_run
from writers import write_dicom

from medgen import api
from medgen.errors import ConfigError
from medgen.service.serve import Serving


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve")
    return make_run(make_frames(folder / "frames"), folder / "run").folder


def while_served(run: Path, ask: Any, *options: str) -> tuple[str, str]:
    """Ask a service of the command while it is up, and end it by a signal; return its output and its log."""
    answers: list[Any] = []
    serve = api.serve

    def served(*given: Any, on_start: Any, **how: Any) -> None:
        def started(service: Serving) -> None:
            on_start(service)
            import threading

            def asked() -> None:
                answers.append(ask(service.address))
                signal.raise_signal(signal.SIGTERM)

            threading.Thread(target=asked).start()

        serve(*given, on_start=started, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "serve", served, raising=False)
        result = CliRunner().invoke(main, ["serve", str(run), "--port", "0", *options])
    assert result.exit_code == 0, result.output
    assert answers
    return result.stdout, result.stderr


def test_the_command_says_where_it_answers_answers_there_and_ends_at_a_signal(run: Path) -> None:
    found: list[httpx.Response] = []

    def ask(address: str) -> bool:
        found.append(httpx.post(f"{address}/runs/run/score", content=next(run.parent.rglob("bad/*.png")).read_bytes()))
        return True

    told, log = while_served(run, ask)
    assert re.fullmatch(r"run at (http://127\.0\.0\.1:\d+), described at \1/docs; Ctrl-C stops\n", told)
    assert found[0].json()["frames"][0]["status"] == "scored"
    lines = [line for line in log.splitlines() if "POST" in line]
    assert len(lines) == 1 and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}[+-]\d{4} POST /runs/\{run\}/score 200 \d+ ms", lines[0])


def test_a_warning_about_what_a_file_says_stays_out_of_the_log(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    write_dicom(path, np.full((32, 32, 3), 90, np.uint8), "RGB", PatientName="Doe^Jane")
    dataset = pydicom.dcmread(path)
    dataset.add_new(0x00080005, "CS", "DOE JANE")  # a character set that there is not, of which pydicom warns with its name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(path)
    found: list[httpx.Response] = []

    def ask(address: str) -> bool:
        found.append(httpx.post(f"{address}/runs/run/map?form=dicom", content=path.read_bytes()))
        return True

    _, log = while_served(run, ask)
    assert found[0].status_code == 200, found[0].text
    assert "DOE" not in log.upper()


def test_a_stop_waits_for_no_upload_that_is_stuck(run: Path) -> None:
    told: list[Any] = []

    def ask(address: str) -> bool:
        with socket.create_connection(httpx.URL(address).netloc.decode().split(":"), timeout=20) as stuck:
            stuck.sendall(b"POST /runs/run/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nP")
            while httpx.get(f"{address}/health").json()["waiting"] < 1:
                time.sleep(0.01)
            told.append(time.monotonic())
            signal.raise_signal(signal.SIGTERM)
            told.append(b"".join(iter(lambda: stuck.recv(4096), b"")))
        return True

    while_served(run, ask)
    assert time.monotonic() - told[0] < 2
    assert told[1].startswith(b"HTTP/1.1 503") and b"the service stops" in told[1]


def test_with_json_the_address_is_printed_as_soon_as_it_answers(run: Path) -> None:
    told = json.loads(succeed("serve", run, "--port", "0", "--check", "--json", "--quiet"))
    assert told["runs"] == ["run"] and told["address"].startswith("http://127.0.0.1:")


def test_others_are_served_with_a_token_alone(run: Path) -> None:
    assert "give --token-file FILE" in fail("serve", run, "--host", "0.0.0.0", "--check")


def test_a_token_that_can_be_guessed_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xef\xbb\xbfsecret\r\n")  # as an editor of Windows writes it
    assert "6 characters, which can be guessed" in fail("serve", run, "--token-file", tmp_path / "token", "--check")


@pytest.mark.parametrize("name", ["scores.example:8443", "https://scores.example", "[::1]"])
def test_a_further_name_is_one_without_scheme_and_port(run: Path, name: str) -> None:
    assert f"'{name}' is no name of a machine" in fail("serve", run, "--allow-host", name, "--port", "0", "--check")


def test_a_port_that_is_taken_is_told(run: Path) -> None:
    taken: list[str] = []

    def ask(service: Serving) -> None:
        port = int(service.address.rpartition(":")[2])
        with pytest.raises(ConfigError, match="cannot listen at 127.0.0.1") as error:  # noqa: RUF043
            api.serve([run], port=port)
        taken.append(str(error.value))
        service.stop()

    api.serve([run], port=0, on_start=ask)
    assert "choose another --host or --port" in taken[0]


def test_two_runs_of_one_name_are_refused(run: Path) -> None:
    assert "each of another name" in fail("serve", run, run, "--check")


def test_the_page_of_the_addresses_needs_nothing_from_elsewhere(run: Path) -> None:
    pages: list[httpx.Response] = []

    def ask(service: Serving) -> None:
        import threading

        def asked() -> None:
            pages.append(httpx.get(f"{service.address}/docs"))
            service.stop()

        threading.Thread(target=asked).start()

    api.serve([run], port=0, on_start=ask)
    assert "POST /runs/{run}/score" in pages[0].text and not re.search(r"https?://|<script", pages[0].text)
