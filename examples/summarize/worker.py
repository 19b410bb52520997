"""The worker of the summarizer. Run it: `corral worker examples.summarize.worker:worker`.

`SUMMARIZE_PACE_MS` lets a section take at least so long, to watch a fleet at work;
`SUMMARIZE_LEDGER` names a file that gets a line for every execution that starts.
"""

from __future__ import annotations

import json
import os

import anyio
import anyio.to_thread
import msgspec

import corral
from examples.summarize.summarizer import Ranked, Ranking, choose
from examples.summarize.text import sections, title_of

PACE_SECONDS = int(os.environ.get("SUMMARIZE_PACE_MS", "0")) / 1000
LEDGER = os.environ.get("SUMMARIZE_LEDGER", "")


class Document(msgspec.Struct):
    """A text with its name; `sentences` is the length of the summary."""

    name: str
    text: str
    sentences: int = 3


class Summary(msgspec.Struct):
    """What a document says, in its own sentences."""

    name: str
    title: str
    sentences: list[str]
    keywords: list[str]
    sections: int


worker = corral.Worker(admission=corral.Fixed(3))


@worker.workflow("summarize")
async def summarize(ctx: corral.Context, document: Document) -> Summary:
    """Summarizes a document, telling its progress after every section."""
    _write_ledger(ctx)
    parts = sections(document.text)
    ranking = await anyio.to_thread.run_sync(Ranking, parts)
    ranked: list[Ranked] = []
    for number, part in enumerate(parts):
        # In a thread: a long section must not hold up the other documents.
        ranked += await anyio.to_thread.run_sync(ranking.section, number)
        await ctx.emit_event(
            "progress", {"section": number + 1, "of": len(parts), "title": part.title}
        )
        await anyio.sleep(PACE_SECONDS)
    return Summary(
        name=document.name,
        title=title_of(document.text) or document.name,
        sentences=choose(ranked, document.sentences),
        keywords=ranking.keywords(5),
        sections=len(parts),
    )


def _write_ledger(ctx: corral.Context) -> None:
    if not LEDGER:
        return
    entry = {
        "run_id": ctx.run_id,
        "fence": ctx.fence,
        "attempt": ctx.attempt,
        "worker": worker.worker_id,
    }
    # One write to a file opened for appending: lines of several processes never mix.
    file = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, json.dumps(entry).encode() + b"\n")
    finally:
        os.close(file)


if __name__ == "__main__":
    worker.run_forever()
