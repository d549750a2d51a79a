"""How a backend is called, and its file: `monai-vqvae` is in `monai_vqvae.py`, as Python's modules cannot have a hyphen."""

from __future__ import annotations


def name_of(module: str) -> str:
    """Return the name of the backend in a module, which may come with its packages."""
    return module.rpartition(".")[2].replace("_", "-")


def module_of(name: str) -> str:
    """Return the module of a backend, without its package."""
    return name.replace("-", "_")
