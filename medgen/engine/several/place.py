"""Where a process stands among those that train one model: as torchrun or SLURM say, or a person."""

from __future__ import annotations

import os
from typing import NamedTuple

from medgen.errors import ConfigError

HERE = "127.0.0.1"


class Place(NamedTuple):
    """One process of a training, and where they all meet.

    Attributes
    ----------
    node : number of this machine, from 0
    local : number of this process on its machine, from 0
    devices : processes on each machine, each with a device
    nodes : machines
    address, port : of rank 0; port 0 where that is still to be found
    external : whether another program started the processes of this machine
    """

    node: int
    local: int
    devices: int
    nodes: int
    address: str
    port: int
    external: bool

    @property
    def rank(self) -> int:
        return self.node * self.devices + self.local

    @property
    def total(self) -> int:
        return self.nodes * self.devices


def find_place(devices: int | None = None, nodes: int = 1) -> Place | None:
    """Return where this process stands; None for a training on one device, of which nobody said otherwise.

    Parameters
    ----------
    devices : on each machine; None: one, or as many as torchrun started processes
    nodes : machines

    Raises
    ------
    ConfigError : if torchrun or SLURM started another number of processes, or a machine does not know the first one.
    """
    place = _of_torchrun() or (_of_slurm(devices, nodes) if devices or nodes > 1 else None)
    wanted = (devices or 1, nodes)
    if place and (devices or nodes > 1) and (place.devices, place.nodes) != wanted:
        raise ConfigError(
            f"--devices {wanted[0]} --nodes {nodes} does not fit the {place.devices} processes on each of {place.nodes} machines "
            "that were started; leave both options away, or start as many"
        )
    if place is None and nodes > 1:
        place = _by_hand(wanted[0], nodes)
    place = place or Place(0, 0, wanted[0], 1, HERE, 0, external=False)
    return place if place.total > 1 else None


def _of_torchrun() -> Place | None:
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    local, devices, count = (int(os.environ[name]) for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return Place(int(os.environ["RANK"]) // devices, local, devices, count // devices, address, port, external=True)


def _of_slurm(devices: int | None, nodes: int) -> Place | None:
    """Return the place of a task that srun started beside others."""
    if int(os.environ.get("SLURM_NTASKS", 1)) < 2 or "SLURM_PROCID" not in os.environ or "SLURM_STEP_ID" not in os.environ:
        return None
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment  # knows how SLURM writes lists of machines

    found = SLURMEnvironment()
    machines, count = int(os.environ.get("SLURM_NNODES", 1)), int(os.environ["SLURM_NTASKS"])
    return Place(
        found.node_rank(), found.local_rank(), count // machines, machines, found.main_address, found.main_port, external=True
    )


def _by_hand(devices: int, nodes: int) -> Place:
    """Return the place of a command that a person starts on each machine."""
    names = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")
    if missing := [name for name in names if not os.environ.get(name)]:
        raise ConfigError(
            f"--nodes {nodes} needs to know where the machines meet: start it with torchrun or srun, or set MASTER_ADDR, "
            f"MASTER_PORT and NODE_RANK on each; {missing[0]} is not set"
        )
    address, port, node = (os.environ[name] for name in names)
    if not (port.isdigit() and node.isdigit() and int(node) < nodes):
        raise ConfigError(f"MASTER_PORT and NODE_RANK are whole numbers, the latter below {nodes}; got '{port}' and '{node}'")
    return Place(int(node), 0, devices, nodes, address, int(port), external=False)
