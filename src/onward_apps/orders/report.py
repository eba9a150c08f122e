"""The log lines of a delivery, as operators and their tools know them."""

import logging
from collections.abc import Iterator
from datetime import timedelta

from .model import Delivery

FORMAT = "%(asctime)s %(levelname)s [%(filename)s:%(lineno)d]: %(message)s"


def formatter() -> logging.Formatter:
    """`2022-09-22 09:58:53 INFO [loader.py:81]: text`, in the local time of the machine."""
    return logging.Formatter(FORMAT, "%Y-%m-%d %H:%M:%S")


def after_commit(delivery: Delivery, target: str, *, counted: bool = False) -> Iterator[str]:
    """What is said once it is in the target, which is `sqlite` or `postgres`; nothing of a file that came again.

    Args:
        counted: there are metrics of it.
    """
    if delivery.repeated:
        return
    yield f"persisted to {target}."
    yield f"persisted {delivery.summary}."
    if counted:
        yield "prometheus counters incremented."
    yield f"processed ({lasted(delivery.seconds)} seconds)."


def lasted(seconds: float) -> str:
    """As in `0:01:25.046061`: always with microseconds."""
    text = str(timedelta(seconds=seconds))
    return text if "." in text else f"{text}.000000"
