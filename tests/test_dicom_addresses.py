"""Addresses and titles of DICOM nodes: those that a node takes, and what it says of those that are none."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import SecondaryCaptureImageStorage  # type: ignore[attr-defined]

from medgen.errors import ConfigError
from medgen.service.dicom_node import _Node, dicom_node, peer_of
from medgen.service.dicom_settings import DicomSettings
from medgen.service.limits import Limits

LIMITS = Limits(seconds=10)
DESK: Any = SimpleNamespace(draws_maps=True)


def reach(archive: str) -> None:
    """Let a node ask an archive for an association, and send it nothing."""
    settings = DicomSettings(0, archive)
    _Node(DESK, peer_of(settings), settings, LIMITS, None)._send([])


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["[::1]", "::1"])
def test_an_archive_may_have_an_ipv6_address_in_brackets_or_without(host: str) -> None:
    archive = AE(ae_title="ARCHIVE")
    archive.add_supported_context(SecondaryCaptureImageStorage)
    server = archive.start_server(("::1", 0), block=False)
    reach(f"ARCHIVE@{host}:{server.socket.getsockname()[1]}")
    server.shutdown()


@pytest.mark.parametrize("host", ["archive.invalid", "archive..local"])
def test_an_archive_whose_name_no_machine_has_is_told_as_one_that_cannot_be_had(host: str) -> None:
    with pytest.raises(ConnectionError, match="the node that gets the maps has an unknown host name"):
        reach(f"ARCHIVE@{host}:104")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_a_node_at_an_ipv6_address_says_it_in_brackets() -> None:
    with dicom_node(DESK, DicomSettings(0, "ARCHIVE@127.0.0.1:104"), "::1", LIMITS) as address:
        assert address.startswith("MEDGEN@[::1]:")


@pytest.mark.parametrize("settings", [DicomSettings(0, " @127.0.0.1:104"), DicomSettings(0, "ARCHIVE@127.0.0.1:104", title=" ")])
def test_a_title_of_spaces_is_refused(settings: DicomSettings) -> None:
    with pytest.raises(ConfigError, match="titles of at most 16 letters"):
        peer_of(settings)
