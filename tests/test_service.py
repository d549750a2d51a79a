"""The service answers who may ask and nobody else, and says no more than it has to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asking import HERE, Client
from untrained import make_frames, make_run

from medgen import api
from medgen.service.app import make_app
from medgen.service.guard import Guard, Noted
from medgen.verbs.in_memory.loaded import LoadedRun


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedRun:
    """A run in memory that was never trained."""
    folder = tmp_path_factory.mktemp("service")
    return api.load(make_run(make_frames(folder / "frames"), folder / "run").folder)


@pytest.fixture(scope="module")
def noted() -> list[Noted]:
    return []


@pytest.fixture(scope="module")
def client(loaded: LoadedRun, noted: list[Noted]) -> Client:
    return Client(make_app({"vae": loaded}, on_request=noted.append))


def test_the_service_says_that_it_is_there(client: Client) -> None:
    assert client.get("/health").json()["status"] == "ok"


def test_runs_are_listed_without_where_they_lie(client: Client, loaded: LoadedRun) -> None:
    (run,) = client.get("/runs").json()
    assert (run["name"], run["threshold"]) == ("vae", loaded.threshold)
    assert str(loaded.run.folder) not in client.get("/runs").text


def test_a_run_that_is_not_there_is_not_found(client: Client) -> None:
    answer = client.get("/runs/patient-7")
    assert answer.status_code == 404 and answer.json() == {"error": "there is no run of this name; /runs lists those there are"}


def test_head_is_answered_as_get_without_the_body(client: Client) -> None:
    for path in ("/docs", "/runs", "/runs/vae"):
        asked, whole = client.request("HEAD", path), client.get(path)
        assert (asked.status_code, asked.content, dict(asked.headers)) == (200, b"", dict(whole.headers))


def test_head_of_what_takes_a_body_is_another_method(client: Client) -> None:
    assert client.request("HEAD", "/runs/vae/score").status_code == 405


def test_every_answer_says_that_it_is_for_research(client: Client) -> None:
    paths = ("/health", "/runs", "/nothing", "/openapi.json")
    assert {client.get(path).headers["medgen-use"] for path in paths} == {"research use only, never for diagnosis"}


def test_a_name_that_leads_here_from_elsewhere_is_refused(client: Client) -> None:
    assert client.get("/runs", headers={"Host": "attacker.example:8000"}).status_code == 403


@pytest.mark.parametrize("host", ["localhost:8000", "[::1]:8000", "127.0.0.1"])
def test_the_names_of_this_machine_are_answered(client: Client, host: str) -> None:
    assert client.get("/runs", headers={"Host": host}).status_code == 200


def test_a_page_of_another_site_is_refused(client: Client) -> None:
    assert client.get("/runs", headers={"Origin": "http://127.0.0.1:9000"}).status_code == 403
    assert client.get("/runs", headers={"Origin": "null"}).status_code == 403


def test_a_page_of_the_service_itself_is_answered(client: Client) -> None:
    assert client.get("/runs", headers={"Origin": HERE}).status_code == 200


def test_what_is_noted_of_a_request_holds_nothing_that_it_said(client: Client, noted: list[Noted]) -> None:
    client.get("/runs/DOE^JANE?born=19700101")
    note = noted[-1]
    assert (note.method, note.route, note.status) == ("GET", "/runs/{run}", 404) and note.milliseconds > 0


def test_with_a_token_whoever_shows_none_learns_of_no_run(loaded: LoadedRun) -> None:
    client = Client(make_app({"vae": loaded}, token="s3cret"))
    shown = {"Authorization": "Bearer s3cret"}
    asked = [
        client.get("/runs"),
        client.get("/runs", headers={"Authorization": "Bearer s3cre"}),
        client.get("/runs", headers=shown),
    ]
    assert [answer.status_code for answer in asked] == [401, 401, 200]
    assert client.get("/health").status_code == 200


def test_a_short_body_is_read_even_where_it_is_refused_so_that_its_sender_sees_the_answer(client: Client) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(3):
            read += 1
            yield b"x"

    assert client.post("/runs/none/score", body()).status_code == 404
    assert read == 3


def test_nobody_is_sent_on_to_another_address(client: Client) -> None:
    answer = client.get("/runs/vae/")
    assert answer.status_code == 404 and "location" not in answer.headers


def test_who_still_sends_when_the_service_stops_is_told_so_in_a_line() -> None:
    async def stopped(*_: Any) -> None:
        raise asyncio.CancelledError

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def asked() -> None:
        scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
        with pytest.raises(asyncio.CancelledError):
            await Guard(stopped, token="", hosts=(), public=(), on_request=None)(scope, stopped, send)

    asyncio.run(asked())
    assert sent[0]["status"] == 503 and b"the service stops" in sent[1]["body"]
