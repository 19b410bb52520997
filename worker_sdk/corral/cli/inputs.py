"""`corral inputs` and `corral respond`: what runs ask of people, and the answers."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import anyio
import msgspec
import typer

from corral.cli.exits import CommandFailed, Exit
from corral.cli.options import (
    Connection,
    HubOption,
    JsonOption,
    NamespaceOption,
    TimeoutOption,
    TokenOption,
)
from corral.cli.output import clean, compact, moment, print_json, print_table
from corral.cli.submit import read_input
from corral.client import Client
from corral.errors import InputNotFound
from corral.inputs import InputRecord

PAGE = 256
# How often it is looked whether a run asks by now.
ASKED_SECONDS = 0.1


def inputs(
    run: Annotated[str, typer.Option("--run", metavar="RUN", help="Only those of this run.")] = "",
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=100_000, help="How many at most.")
    ] = 20,
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """List what runs ask and nobody has answered, oldest first.

    \b
    Examples:
      corral inputs
      corral inputs --run order-17 --json
    """
    connection = Connection(hub, token, namespace, timeout)
    found = connection.run(lambda client: _listed(client, run, limit))
    if json:
        print_json(found)
        return
    print_table(
        ("RUN", "QUESTION", "PROMPT", "ASKED", "DUE", "STATUS", "WORKFLOW"),
        (
            (
                *(asked.run_id, asked.request_id, asked.prompt),
                *(moment(asked.asked_at_ms), moment(asked.due_at_ms), asked.status, asked.workflow),
            )
            for asked in found
        ),
        wraps=("PROMPT",),
        spare=("WORKFLOW", "STATUS", "ASKED"),
        none="no open questions",
    )


def respond(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run that asks.")],
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="Name of the question in the run.")
    ],
    answer: Annotated[
        str | None,
        typer.Argument(
            metavar="ANSWER",
            help="JSON, @FILE, or - for stdin. Without it a terminal is asked.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Instead of ANSWER: this text, as it is.", show_default=False
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Wait, as long as --timeout says, until the run asks this."),
    ] = False,
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """Answer a question of a run. The first answer counts; the same again changes nothing.

    \b
    Examples:
      corral respond order-17 approval '{"approved": true}'
      corral respond order-17 comment --text "looks good" --wait
    """
    if answer is not None and text is not None:
        raise typer.BadParameter("give ANSWER or --text, not both", param_hint="--text")
    connection = Connection(hub, token, namespace, timeout)
    if text is not None:
        value: Any = text
    elif answer is not None:
        value = read_input(answer, "ANSWER")
    elif sys.stdin.isatty():
        value = _ask(connection.run(lambda client: _question(client, run, question)))
    else:
        raise typer.BadParameter(
            "say what to answer: JSON, @FILE, - for stdin, or --text", param_hint="ANSWER"
        )
    seconds = timeout if wait else 0.0
    known = connection.run(lambda client: _respond(client, run, question, value, seconds))
    if json:
        print_json({"run_id": run, "request_id": question, "deduplicated": known})
    else:
        print(f"{clean(run)} {clean(question)} answered{' already, the same' if known else ''}")


async def _listed(client: Client, run: str, limit: int) -> list[InputRecord]:
    found: list[InputRecord] = []
    cursor = ""
    while True:
        page = await client.list_inputs(run, limit=min(PAGE, limit - len(found)), cursor=cursor)
        found.extend(page.inputs)
        cursor = page.cursor
        if not cursor or len(found) >= limit:
            return found[:limit]


async def _respond(client: Client, run: str, question: str, value: Any, seconds: float) -> bool:
    """Answers, as soon as the run asks when there are seconds for it."""
    with anyio.move_on_after(seconds):
        while True:
            try:
                return await client.respond(run, question, value)
            except InputNotFound:
                await anyio.sleep(ASKED_SECONDS)
    return await client.respond(run, question, value)


async def _question(client: Client, run: str, question: str) -> InputRecord:
    for asked in (await client.list_inputs(run)).inputs:
        if asked.request_id == question:
            return asked
    raise InputNotFound(
        f"run {run} asks no question {question!r} that is open; "
        f'"corral inputs --run {run}" has those that are',
        run_id=run,
    )


def _ask(asked: InputRecord) -> Any:
    """Shows a question and reads a line: JSON, or a text where it is none or one is wanted."""
    print(clean(asked.prompt), file=sys.stderr)
    if asked.metadata is not None:
        print(f"  {compact(asked.metadata)}", file=sys.stderr)
    if asked.schema is not None:
        print(f"  an answer must fit {compact(asked.schema)}", file=sys.stderr)
    print("Answer: ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        print(file=sys.stderr)
        raise CommandFailed("nothing was answered; the question stays open", Exit.USAGE)
    line = line.rstrip("\n")
    if asked.schema == {"type": "string"}:
        return line
    try:
        return msgspec.json.decode(line.encode())
    except msgspec.DecodeError:
        return line
