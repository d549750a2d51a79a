"""Look at what medgen stands on here: packages, device, precision, extractors, disk; and try it on synthetic frames."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from hashlib import file_digest
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import NamedTuple

import torch
from packaging.requirements import Requirement

from medgen import __version__, registry
from medgen.data import images
from medgen.engine.device import Device, find_device, has_bfloat16
from medgen.errors import MedgenError, in_one_line
from medgen.files import cache_folder
from medgen.nn.features.nets.published import INSTALL, find_weights, stated_digest
from medgen.plugins import PluginWarning, forget, found
from medgen.types import OnProgress, no_progress
from medgen.verbs.diagnosing.self_test import self_test

LEAST_DISK = 1.0  # gigabytes; a prepared set of 10,000 frames of side 96 and its scores take about as much
PRODUCT = 256  # side of the matrices by which a precision is tried
MOST_OFF = {"float32": 1e-5, "bfloat16": 2e-2}  # of their product, against float64, as a share of its largest value


class Check(NamedTuple):
    """One thing that was looked at.

    Attributes
    ----------
    name : what it was
    found : what it is like, in words and numbers
    problem : what is wrong and what to do; "" where all is well
    """

    name: str
    found: str
    problem: str = ""


def doctor(*, device: Device = "auto", tried: bool = True, on_progress: OnProgress = no_progress) -> list[Check]:
    """Look at the packages, the device, its precision, the extractors and the disk, and run the whole chain in a minute.

    The chain runs on synthetic frames in a temporary folder, which is removed; its figures are compared with those that it is
    known to give.

    Parameters
    ----------
    device : "auto" takes a GPU where there is one
    tried : whether the chain is run

    Examples
    --------
    >>> [check.name for check in api.doctor(tried=False)][:3]
    ['medgen', 'packages', 'extras']
    """
    checks = [Check("medgen", f"{__version__} with Python {platform.python_version()}, {platform.system()} {platform.machine()}")]
    checks += [_packages(), _extras(), _plugins(), _device(device)]
    on_it = [] if checks[-1].problem else [_precision(find_device(device))]
    checks += [*on_it, *(_extractor(name) for name in INSTALL), *_disk()]
    if tried and on_it:
        checks += _chain(device, on_progress)
    return checks


def _needs() -> list[tuple[Requirement, str]]:
    """Return what medgen says that it needs, each with the extra that it belongs to, or "" for what is always needed."""
    try:
        lines = requires("medgen") or []
    except PackageNotFoundError:  # it runs from a folder that nobody installed
        return []
    needs = []
    for need in map(Requirement, lines):
        extra = str(need.marker).rpartition("extra == ")[2].strip("\"'") if need.marker and "extra" in str(need.marker) else ""
        if not need.marker or need.marker.evaluate({"extra": extra}):
            needs.append((need, extra))
    return needs


def _unmet(need: Requirement) -> str:
    """Return what is wrong with the package that is needed: it is missing, or of a version that will not do; "" for neither."""
    try:
        there = version(need.name)
    except PackageNotFoundError:
        return f"{need.name} is missing"
    return "" if need.specifier.contains(there, prereleases=True) else f"{need.name} is {there}, not {need.specifier}"


def _packages() -> Check:
    needs = [need for need, extra in _needs() if not extra]
    if not needs:
        return Check("packages", "medgen is not installed", "`pip install medgen`: what it needs is not known here")
    unmet = [said for said in map(_unmet, needs) if said]
    main = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "lightning-fabric", "monai"))
    remedy = "; `pip install --upgrade medgen` brings what it needs" if unmet else ""
    return Check("packages", f"{len(needs) - len(unmet)} of {len(needs)} as they should be: {main}", "; ".join(unmet) + remedy)


def _extras() -> Check:
    """Say which extras are there whole, and which have a package of a version that will not do."""
    by_extra: dict[str, list[str]] = {}
    for need, extra in _needs():
        if extra and extra != "test":
            by_extra.setdefault(extra, []).append(_unmet(need))
    whole = [extra for extra, unmet in by_extra.items() if not any(unmet)]
    outdated = [said for unmet in by_extra.values() for said in unmet if said and not said.endswith("missing")]
    return Check("extras", ", ".join(whole) or "none", "; ".join(dict.fromkeys(outdated)))


def _plugins() -> Check:
    """Import what other packages add, and say of each that cannot be used why."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PluginWarning)
        forget()  # so that it is warned of again
        images.all_readers.cache_clear()
        registry.having()
        images.all_readers()
        backends, readers, nets = registry.plugins(), found("readers", images.own_readers()), found("extractors", tuple(INSTALL))
    said = [f"{plugin.name} of {plugin.origin}" for group in (backends, readers, nets) for plugin in group.values()]
    problems = [str(one.message) for one in caught if issubclass(one.category, PluginWarning)]
    return Check("plugins", ", ".join(said) or "none", "; ".join(dict.fromkeys(problems)))


def _device(device: Device) -> Check:
    try:
        found = find_device(device)
    except MedgenError as error:
        return Check("device", device, str(error))
    if found.type == "cuda":
        card = torch.cuda.get_device_properties(found)
        return Check("device", f"{card.name}, {card.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB" if hasattr(os, "sysconf") else ""
    unused = device == "auto" and (shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").is_file())
    problem = (
        "an NVIDIA driver is here, yet PyTorch sees no GPU; install a CUDA build of torch or a newer driver" if unused else ""
    )
    return Check("device", f"processor, {cores} {'core' if cores == 1 else 'cores'}{memory}", problem)


def _precision(device: torch.device) -> Check:
    """Say what trainings compute in here, and multiply two matrices in it."""
    name = "bfloat16" if has_bfloat16(device.type) else "float32"
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(PRODUCT, PRODUCT, generator=generator, dtype=torch.float64) for _ in range(2))
    kind = getattr(torch, name)
    product = (first.to(device, kind) @ second.to(device, kind)).to("cpu", torch.float64)
    exact = first @ second
    off = ((product - exact).abs().max() / exact.abs().max()).item()
    problem = "" if off <= MOST_OFF[name] else f"expected at most {MOST_OFF[name]:g}; train with --set train.precision=float32"
    return Check("precision", f"{name} in trainings; a product of matrices is off by {off:.1g} of its largest value", problem)


def _extractor(name: str) -> Check:
    """Say whether the weights of a named extractor are here, and whether they are those that their file says."""
    path = find_weights(name)
    if path is None:
        return Check(f"extractor {name}", f"not here: {INSTALL[name]}")
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    stated = stated_digest(path)
    wrong = f"expected {stated}...: the file was changed; install it again" if not digest.startswith(stated) else ""
    return Check(f"extractor {name}", f"SHA-256 {digest}", wrong)


def _disk() -> Iterator[Check]:
    places = {"working folder": Path(), "cache": cache_folder(""), "temporary folder": Path(tempfile.gettempdir())}
    for name, folder in places.items():
        there = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.is_dir())
        free = shutil.disk_usage(there).free / 1e9
        problem = "" if free >= LEAST_DISK else f"less than {LEAST_DISK:g} GB: make room"
        if not os.access(there, os.W_OK):
            problem = f"'{there}' cannot be written" + ("; name another in MEDGEN_CACHE" if name == "cache" else "")
        yield Check(f"disk of the {name}", f"{free:.1f} GB free", problem)


def _chain(device: Device, on_progress: OnProgress) -> Iterator[Check]:
    """Run the chain; whatever ends it is a problem, and says so."""
    try:
        for figure in self_test(device, on_progress):
            bounds = f"expected {figure.least:g} to {figure.most:g}"
            fits = figure.least <= figure.value <= figure.most
            problem = "" if fits else f"{bounds}: do not trust results of this machine"
            yield Check(f"self-test: {figure.name}", f"{figure.value:.4g} ({bounds})", problem)
    except Exception as error:
        yield Check("self-test", f"ended by {type(error).__name__}", in_one_line(error, f"Python at {Path(sys.executable).name}"))
