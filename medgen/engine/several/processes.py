"""Processes that train one model (`medgen.ranks`), joined by Lightning Fabric: gloo between CPUs, NCCL between GPUs.

What they tell each other beside tensors of a GPU goes through gloo, which notices at once when a process ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, distributed

from medgen.engine.device import Device, Precision, fabric_precision, find_device, quiet_fabric
from medgen.engine.several.place import Place
from medgen.errors import RankError, RunError
from medgen.ranks import Ranks

if TYPE_CHECKING:
    from lightning_fabric import Fabric

T = TypeVar("T")
JOINING = timedelta(minutes=5)  # until all processes are there
WAITING = timedelta(hours=6)  # for another one, which may write panels or measure samples meanwhile


class Processes(Ranks):
    """The processes of a training that `joined` brought together."""

    def __init__(self, place: Place) -> None:
        self.rank, self.count = place.rank, place.total
        self.host = distributed.new_group(backend="gloo", timeout=WAITING)

    def sum(self, tensor: Tensor) -> Tensor:
        found = tensor.detach().clone(memory_format=torch.contiguous_format)
        group = self.host if found.device.type == "cpu" else None
        self._together(lambda: distributed.all_reduce(found, group=group))
        return found

    def of_first(self, make: Callable[[], T]) -> T:
        made: list[Any] = [make() if self.first else None]
        self._together(lambda: distributed.broadcast_object_list(made, 0, group=self.host))
        return made[0]  # type: ignore[no-any-return]

    @staticmethod
    def _together(talk: Callable[[], Any]) -> None:
        """Let the processes talk.

        Raises
        ------
        RankError : if one of them has ended.
        """
        try:
            talk()
        except RuntimeError as error:
            raise RankError("another process of this training has ended; go on with --resume") from error


@contextmanager
def joined(place: Place, device: Device, precision: Precision) -> Iterator[tuple[Fabric, Processes]]:
    """Inside the ``with``, this process is joined with the others of a training; what it sets for that is put back.

    Raises
    ------
    RunError : if the machine has too few GPUs, or another process does not come.
    """
    from lightning_fabric import Fabric  # as long to import as torch
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.strategies.ddp import DDPStrategy
    from lightning_fabric.utilities.rank_zero import rank_zero_only

    accelerator = find_device(device).type
    if accelerator == "cuda" and torch.cuda.device_count() < place.devices:
        raise RunError(f"--devices {place.devices}: PyTorch sees {torch.cuda.device_count()} GPUs here; give as many at most")

    class Given(LightningEnvironment):
        creates_processes_externally = True
        main_address, main_port = place.address, place.port

        def local_rank(self) -> int:
            return place.local

        def node_rank(self) -> int:
            return place.node

    strategy = DDPStrategy(cluster_environment=Given(), timeout=JOINING)
    how = fabric_precision(accelerator, precision)
    with quiet_fabric():
        fabric = Fabric(accelerator=accelerator, strategy=strategy, devices=place.devices, num_nodes=place.nodes, precision=how)
    threads, rank = torch.get_num_threads(), getattr(rank_zero_only, "rank", 0)
    before = {name: os.environ.get(name) for name in ("MASTER_ADDR", "MASTER_PORT", "OMP_NUM_THREADS")}
    try:
        try:
            fabric.launch()
            processes = Processes(place)
        except (RuntimeError, distributed.DistError) as error:
            raise RunError(f"the {place.total} processes of this training did not come together: {error}") from error
        yield fabric, processes
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
        rank_zero_only.rank = rank  # type: ignore[attr-defined]
        torch.set_num_threads(threads)
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
