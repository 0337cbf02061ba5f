"""One training in several processes: starting them, telling them to stop, and hearing what came of it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import SimpleQueue
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy

from gpt_sovits.core.device import pick_device
from gpt_sovits.core.errors import ConfigError, GPTSoVITSError, TrainingError
from gpt_sovits.core.log import configure_logging
from gpt_sovits.train.config import RunConfig, split_overrides

Train = Callable[..., Any]


def spread(train: Train) -> Train:
    """Let a training whose settings ask for several processes run in so many; its result is that of the first."""

    @wraps(train)
    def call(
        experiment: Any, model: Any, out: Any, config: Any = None, overrides: Iterable[str] = (), **given: Any
    ) -> Any:
        overrides = tuple(overrides)
        run, _ = split_overrides(overrides, None, None, None)
        if (run.devices * run.nodes == 1 and run.strategy == "auto") or dist.is_initialized():
            return train(experiment, model, out, config, overrides, **given)
        arguments = (experiment, model, out, config, overrides)
        return _launch(train, arguments, given, run, pick_device(given.get("device", "auto")))

    return call


class Replicas(DDPStrategy):
    """Processes that `spread` started. The tasks add up the gradients themselves, so no network is wrapped."""

    def __init__(self, run: RunConfig, local: int) -> None:
        super().__init__(cluster_environment=_Place(run.node, local))

    def configure_ddp(self) -> None:
        pass


class _Place(LightningEnvironment):
    def __init__(self, node: int, local: int) -> None:
        super().__init__()
        self._node = node
        self._local = local

    @property
    def creates_processes_externally(self) -> bool:
        return True

    def node_rank(self) -> int:
        return self._node

    def local_rank(self) -> int:
        return self._local


def _launch(
    train: Train, arguments: tuple[Any, ...], given: dict[str, Any], run: RunConfig, place: torch.device
) -> Any:
    if place.type == "cuda" and run.devices > torch.cuda.device_count():
        raise ConfigError(f"run.devices is {run.devices}, but this machine has {torch.cuda.device_count()} CUDA GPUs")
    context = multiprocessing.get_context("spawn")
    results: SimpleQueue[tuple[bool, Any]] = context.SimpleQueue()
    address, threads = _address(run), max(1, torch.get_num_threads() // run.devices)
    name, level = (train.__module__, train.__name__), logging.getLogger().level
    processes = [
        context.Process(
            target=_work, args=(name, arguments, given, run, local, place.type, address, threads, level, results)
        )
        for local in range(run.devices)
    ]
    with _passing_on(processes):
        for process in processes:
            process.start()
        heard = _wait(processes, results)
    failed = next((answer for fine, answer in heard if not fine), None)
    if failed is not None:
        raise failed
    answers = [answer for fine, answer in heard if fine and answer is not None]
    if not answers:
        codes = ", ".join(str(process.exitcode) for process in processes)
        raise TrainingError(
            f"a process of the training was lost (exit codes {codes}); the same command goes on from its checkpoint"
        )
    return answers[0]


def _wait(processes: list[SpawnProcess], results: SimpleQueue[tuple[bool, Any]]) -> list[tuple[bool, Any]]:
    """Wait for all; where one fails, the others, which would wait for it for ever, are ended."""
    heard: list[tuple[bool, Any]] = []
    running = list(processes)
    while running:
        connection.wait([process.sentinel for process in running], timeout=0.5)
        while not results.empty():
            heard.append(results.get())
        running = [process for process in running if process.is_alive()]
        if any(process.exitcode for process in processes):
            for process in running:
                process.kill()
    while not results.empty():
        heard.append(results.get())
    return heard


def _work(
    name: tuple[str, str],
    arguments: tuple[Any, ...],
    given: dict[str, Any],
    run: RunConfig,
    local: int,
    kind: str,
    address: str,
    threads: int,
    level: int,
    results: SimpleQueue[tuple[bool, Any]],
) -> None:
    """One process: join the others, train, and, as the first of this machine, tell the result."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    configure_logging(level == logging.DEBUG)
    if local or run.node:
        logging.getLogger().setLevel(logging.ERROR)
    backend = "nccl" if kind == "cuda" else "gloo"
    rank, size = run.node * run.devices + local, run.nodes * run.devices
    try:
        dist.init_process_group(backend, init_method=f"tcp://{address}", rank=rank, world_size=size)
        train = getattr(import_module(name[0]), name[1])
        device = f"cuda:{local}" if kind == "cuda" else kind
        results.put((True, train(*arguments, **{**given, "device": device})))
    except GPTSoVITSError as error:
        results.put((False, error))
        raise SystemExit(1) from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _end_with_parent() -> None:
    """Processes whose starter was killed would train on, unseen, and write over what a new run writes."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


@contextmanager
def _passing_on(processes: list[SpawnProcess]) -> Iterator[None]:
    """Ctrl-C and SIGTERM ask all processes to stop after their step; a second Ctrl-C ends them."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        for process in processes:
            if process.pid is not None and process.is_alive():
                if asked and number == signal.SIGINT:
                    process.kill()
                else:
                    process.terminate()
        asked = True

    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _address(run: RunConfig) -> str:
    host, _, port = run.address.rpartition(":")
    if not host or not port.isdigit() or (run.nodes > 1 and port == "0"):
        raise ConfigError(f"run.address is {run.address!r}; give HOST:PORT of machine 0, the same on every machine")
    if port == "0":
        with socket.socket() as free:
            free.bind((host, 0))
            port = str(free.getsockname()[1])
    return f"{host}:{port}"
