"""Storage that is no disk of this machine: what fsspec opens by an address such as ``s3://bucket/folder``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from medgen.errors import ConfigError, DataError, MedgenError

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

SCHEME = "://"
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}  # protocols, and what to install for them


def file_system(address: str) -> tuple[AbstractFileSystem, str]:
    """Return what opens an address, and the path by which that knows it."""
    from fsspec.core import url_to_fs

    return url_to_fs(address)


@contextmanager
def explaining_storage(address: str) -> Iterator[None]:
    """Say in one line what is wrong with an address or its storage, whose libraries raise anything.

    Raises
    ------
    ConfigError : if what reads such addresses is not installed.
    DataError : if nothing reads them.
    MedgenError : if the storage does not answer.
    """
    protocol = address.partition(SCHEME)[0]
    try:
        yield
    except MedgenError:
        raise
    except ImportError as error:
        extra = EXTRAS.get(protocol)
        hint = f"pip install 'medgen[{extra}]'" if extra else str(error)
        raise ConfigError(f"what reads '{protocol}{SCHEME}' is not installed: {hint}") from None
    except Exception as error:
        from fsspec import available_protocols

        if SCHEME in address and protocol not in available_protocols():
            raise DataError(f"nothing reads '{protocol}{SCHEME}'; s3://, gs://, sftp:// and others of fsspec are known") from None
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MedgenError(f"cannot read '{address}': {reason}") from error
