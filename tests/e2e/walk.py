"""A random walk over a real engine: real containers, really started, stopped, killed, paused, removed."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.platform.engine import IMAGE, DockerEngine

#: Ends at once when it is asked to; a shell as process 1 would wait for the kill.
SLEEPER = ("sh", "-c", "trap 'exit 0' TERM INT; while :; do sleep 0.2; done")
MEMORY_EATER = ("sh", "-c", "x=wst; while :; do x=$x$x; done")


class Walk:
    """Containers of some workspaces and what is done to them, by a seed.

    A container may have ended by itself between a look and a deed: the engine's refusal is part of the walk.

    Args:
        engine: where.
        seed: the same seed does the same.
        workspaces: number of Compose-like projects, three services each.
        probed: in how many of them the database has a health check, once a second.
    """

    def __init__(self, engine: DockerEngine, seed: int, workspaces: int = 4, probed: int = 4) -> None:
        self.engine = engine
        self._api = engine.api()
        self.random = random.Random(seed)
        self.project = f"walk{seed}"
        self.slots = [(f"{self.project}-{number}", service) for number in range(workspaces) for service in ("web", "db", "job")]
        self._with_probe = self.slots[1 : 3 * probed : 3]
        self.workspace_of: dict[str, str] = {}
        self.probed: set[str] = set()
        self.names: dict[tuple[str, str], str] = {}

    def begin(self) -> None:
        """Starts every container once."""
        for slot in self.slots:
            self._create(slot, start=True)

    def step(self) -> str:
        """Does one thing to one container; returns what."""
        slot = self.random.choice(self.slots)
        action = self.random.choice(self._possible(slot))
        action(slot)
        return f"{action.__name__} {'/'.join(slot)}"

    def settle(self) -> None:
        """Leaves no container paused, so that the engine can be cleaned up."""
        for slot in self.names:
            if self._state(slot) == "paused":
                self.engine.docker("unpause", self.names[slot], check=False)

    def _possible(self, slot: tuple[str, str]) -> list[Callable[[tuple[str, str]], None]]:
        state = self._state(slot)
        if state is None:
            return [self._create_only, self._create_and_start]
        if state == "running":
            quick = [self._stop, self._kill, self._restart, self._pause, self._exec, self._rename, self._update]
            return [*quick, self._crash, self._oom, self._remove_by_force]
        if state == "paused":
            return [self._unpause]
        return [self._start, self._start, self._rename, self._remove]

    def _state(self, slot: tuple[str, str]) -> str | None:
        if slot not in self.names:
            return None
        return str(self._api.inspect_container(self.names[slot])["State"]["Status"])

    def _create(self, slot: tuple[str, str], *, start: bool, command: tuple[str, ...] = SLEEPER, options: tuple[str, ...] = ()) -> None:
        project, service = slot
        labels = ("--label", f"com.docker.compose.project={project}", "--label", f"com.docker.compose.service={service}")
        name = self._new_name(slot)
        probe = ("--health-cmd", "true", "--health-interval", "1s") if slot in self._with_probe else ()
        container = self.engine.docker("create", "--name", name, *labels, *probe, *options, IMAGE, *command)
        self.workspace_of[container] = project
        if probe:
            self.probed.add(container)
        self.names[slot] = container
        if start:
            self.engine.docker("start", container)

    def _new_name(self, slot: tuple[str, str]) -> str:
        return f"{'-'.join(slot)}-{self.random.randrange(16**6):06x}"

    def _create_only(self, slot: tuple[str, str]) -> None:
        self._create(slot, start=False)

    def _create_and_start(self, slot: tuple[str, str]) -> None:
        self._create(slot, start=True)

    def _start(self, slot: tuple[str, str]) -> None:
        self.engine.docker("start", self.names[slot], check=False)

    def _stop(self, slot: tuple[str, str]) -> None:
        self.engine.docker("stop", "--time", "2", self.names[slot], check=False)

    def _kill(self, slot: tuple[str, str]) -> None:
        self.engine.docker("kill", self.names[slot], check=False)

    def _restart(self, slot: tuple[str, str]) -> None:
        self.engine.docker("restart", "--time", "2", self.names[slot], check=False)

    def _pause(self, slot: tuple[str, str]) -> None:
        self.engine.docker("pause", self.names[slot], check=False)

    def _unpause(self, slot: tuple[str, str]) -> None:
        self.engine.docker("unpause", self.names[slot], check=False)

    def _rename(self, slot: tuple[str, str]) -> None:
        self.engine.docker("rename", self.names[slot], self._new_name(slot), check=False)

    def _update(self, slot: tuple[str, str]) -> None:
        self.engine.docker("update", "--cpu-shares", str(self.random.randrange(2, 2048)), self.names[slot], check=False)

    def _exec(self, slot: tuple[str, str]) -> None:
        self.engine.docker("exec", self.names[slot], "true", check=False)

    def _remove(self, slot: tuple[str, str]) -> None:
        self.engine.docker("rm", self.names.pop(slot), check=False)

    def _remove_by_force(self, slot: tuple[str, str]) -> None:
        self.engine.docker("rm", "--force", self.names.pop(slot), check=False)

    def _crash(self, slot: tuple[str, str]) -> None:
        """Its first process ends with a code of its own."""
        self.engine.docker("rm", "--force", self.names.pop(slot), check=False)
        self._create(slot, start=True, command=("sh", "-c", "sleep 0.1; exit 3"))
        self.engine.docker("wait", self.names[slot])

    def _oom(self, slot: tuple[str, str]) -> None:
        self.engine.docker("rm", "--force", self.names.pop(slot), check=False)
        self._create(slot, start=True, command=MEMORY_EATER, options=("--memory", "16m"))
        self.engine.docker("wait", self.names[slot])
