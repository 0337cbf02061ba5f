"""Logging set-up, called once by a front end."""

from __future__ import annotations

import logging

from rich.console import Console
from rich.logging import RichHandler


def configure_logging(verbose: bool = False) -> None:
    """Log to stderr, which leaves stdout to results; warnings of chatty libraries are kept to errors."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(message)s",
        datefmt="[%X]",
        handlers=[RichHandler(console=Console(stderr=True), show_path=verbose, rich_tracebacks=True)],
        force=True,
    )
    for name in ("jieba", "lightning", "pytorch_lightning", "transformers", "fsspec", "httpx", "numba", "matplotlib"):
        logging.getLogger(name).setLevel(logging.ERROR)
