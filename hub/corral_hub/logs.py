"""Logging of a hub: key-value lines on a terminal, JSON in production."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(json: bool, level: int = logging.INFO) -> None:
    """Sets structlog up for the process; times are UTC."""
    renderer = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Asked for each time, as who embeds a hub may have another stderr by then.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
