"""Running jobs in this process or in several, one thread each, so that results do not depend on how many there are."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache

import torch

from gpt_sovits.core.errors import GPTSoVITSError
from gpt_sovits.core.workers import end_with_parent
from prep.extract import Extractor
from prep.job import FATAL, Job, Outcome, Recipe

Group = Sequence[Job]
Result = list[Outcome] | tuple[type[GPTSoVITSError], str]
"""Outcomes, or a fault that stops the run; exceptions themselves do not all survive the way between processes."""


def work(jobs: Group, recipe: Recipe, workers: int) -> Generator[list[Outcome], None, None]:
    """Yield outcomes group by group, in any order.

    Raises:
        GPTSoVITSError: a fault that is not one item's, such as a full disk; nothing more is started.
    """
    if recipe.batch > 1:  # neighbours in size have the best chance of equal length, which lets them share a pass
        jobs = sorted(jobs, key=lambda job: (_size(job), job.utterance.line))
    groups = [jobs[start : start + recipe.batch] for start in range(0, len(jobs), recipe.batch)]
    workers = min(workers, len(groups))
    if workers > 1:
        yield from _in_processes(groups, recipe, workers)
        return
    with single_thread():
        extractor = Extractor(recipe)
        for group in groups:
            yield extractor.run(group)


def _size(job: Job) -> int:
    path = job.utterance.path
    return path.stat().st_size if path.is_file() else 0


@contextmanager
def single_thread() -> Iterator[None]:
    """Compute on one thread: sums are then taken in one order everywhere, and equal inputs give equal bytes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _in_processes(groups: Sequence[Group], recipe: Recipe, workers: int) -> Generator[list[Outcome], None, None]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    waiting = iter(groups)
    running: set[Future[Result]] = set()
    try:
        while True:
            for group in waiting:
                running.add(pool.submit(_run_group, recipe, group))
                if len(running) >= 2 * workers:  # a short queue: what is stopped leaves little undone
                    break
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield _outcomes(future)
    except BrokenProcessPool as error:
        raise GPTSoVITSError(
            "a worker process died, most likely for want of memory: run again with fewer workers; finished items are "
            'kept (a script that calls prepare needs the usual `if __name__ == "__main__":`)'
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _outcomes(future: Future[Result]) -> list[Outcome]:
    result = future.result()
    if isinstance(result, tuple):
        kind, message = result
        raise kind(message)
    return result


def _start_worker() -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    end_with_parent()


@lru_cache(maxsize=1)
def _extractor(recipe: Recipe) -> Extractor:
    """A worker's networks stay loaded between groups."""
    return Extractor(recipe)


def _run_group(recipe: Recipe, group: Group) -> Result:
    try:
        return _extractor(recipe).run(group)
    except GPTSoVITSError as error:
        return next((kind for kind in FATAL if isinstance(error, kind)), GPTSoVITSError), str(error)
