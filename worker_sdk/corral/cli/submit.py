"""`corral submit`: one run, and on wish its result."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
import typer

from corral.cli.exits import complain
from corral.cli.options import (
    FOLLOW_SECONDS,
    Connection,
    HubOption,
    JsonOption,
    NamespaceOption,
    TimeoutOption,
    TokenOption,
    duration_ms,
    pairs,
    tag_texts,
)
from corral.cli.output import print_json
from corral.client import Client
from corral.errors import NoMatchingWorker, RunEnded, Unavailable
from corral.run import Run
from corral.submission import SubmitOptions, new_run_id
from corral.terms import RetryPolicy


def submit(
    workflow: Annotated[
        str, typer.Argument(metavar="WORKFLOW", help="Name of the workflow, e.g. summarize.")
    ],
    input_json: Annotated[
        str,
        typer.Argument(
            metavar="INPUT", help="JSON, @FILE to read it from a file, or - from stdin."
        ),
    ] = "null",
    run_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Id of the run; a random one by default.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Idempotency key: same key and request, same run."),
    ] = None,
    priority: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=255, help="0 (first) to 255; default 128.")
    ] = None,
    deadline: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Fail the run when it takes longer, e.g. 30s."),
    ] = None,
    delay: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Do not start before, e.g. 5m.")
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="K=V", help="Tag that the worker must have; K=* for any value."),
    ] = None,
    capability: Annotated[
        str | None,
        typer.Option(
            metavar="KIND@VERSION", help="What the worker must offer instead of the workflow."
        ),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="Label of the run, for listings.")
    ] = None,
    workflow_version: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Version of the workflow; default: the highest."),
    ] = None,
    attempts: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=100, help="Attempts in all; default 1.")
    ] = None,
    fairness_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Runs of different keys share by turns.")
    ] = None,
    vram_mb: Annotated[
        int | None,
        typer.Option(metavar="MB", min=1, help="Video memory that the run needs, in MB."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Model that is best loaded on the worker already."),
    ] = None,
    no_queue: Annotated[
        bool, typer.Option("--no-queue", help="Refuse the run when no worker has room now.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the end of the run and print its result.")
    ] = False,
    json: JsonOption = False,
    hub: HubOption = None,
    token: TokenOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
) -> None:
    """Submit a run; prints its id and status once it is stored.

    With --wait, only the result goes to stdout, so it can be piped.

    \b
    Examples:
      corral submit summarize '{"text": "..."}'
      corral submit summarize @document.json --key doc-17 --wait
      corral submit summarize - --priority 10 --tag region=us-west < input.json
    """
    given: dict[str, Any] = {
        "idempotency_key": key,
        "priority": priority,
        "deadline_ms": duration_ms("--deadline", deadline, least_ms=1),
        "start_delay_ms": duration_ms("--delay", delay),
        "required_tags": tag_texts("--tag", tag),
        "capability": capability,
        "labels": pairs("--label", label),
        "workflow_version": workflow_version,
        "retry": None if attempts is None else RetryPolicy(max_attempts=attempts),
        "fairness_key": fairness_key,
        "vram_mb": vram_mb,
        "model": model,
        "wait_for_worker": not no_queue,
        # Chosen here, so that a submit whose answer was lost can be told how to go on.
        "run_id": run_id or new_run_id(),
    }
    options = cast(SubmitOptions, {k: v for k, v in given.items() if v is not None})
    value = read_input(input_json)
    connection = Connection(hub, token, namespace, FOLLOW_SECONDS if wait else timeout)

    async def job(client: Client) -> None:
        try:
            run = await client.submit_workflow(workflow, value, timeout=timeout, **options)
        except Unavailable:
            complain(f'repeat it with "--run-id {given["run_id"]}", and it stays one run')
            raise
        except NoMatchingWorker:
            complain("leave --no-queue away, and the run waits for a worker that can take it")
            raise
        for warning in run.warnings:
            complain(f"note: {warning}")
        if wait:
            await _wait(run, json)
        elif json:
            print_json(_record(run))
        else:
            print(f"{run.run_id} {run.status}{' (known already)' if run.deduplicated else ''}")

    try:
        connection.run(job)
    except KeyboardInterrupt:
        complain(f'if it was accepted it goes on: "corral describe {given["run_id"]}"')
        raise


async def _wait(run: Run[Any], json: bool) -> None:
    print(f"run {run.run_id} {run.status}, waiting for its end", file=sys.stderr)
    try:
        output = await run.result()
    except RunEnded:
        if json:
            print_json(_record(run))
        raise
    print_json(_record(run) if json else output)


def _record(run: Run[Any]) -> dict[str, Any]:
    snapshot = run.snapshot
    record: dict[str, Any] = {
        "run_id": run.run_id,
        "status": snapshot.status,
        "deduplicated": run.deduplicated,
        "durability": run.durability,
        "warnings": run.warnings,
    }
    if snapshot.status.terminal:
        record |= {"output": snapshot.output, "error": snapshot.error}
    return record


def read_input(text: str, argument: str = "INPUT") -> Any:
    """Reads the input of a run, or another argument: JSON, `@file`, or `-` for stdin."""
    origin = "it"
    try:
        if text == "-":
            origin, data = "stdin", sys.stdin.buffer.read()
        elif text.startswith("@"):
            origin = text[1:] or "the file without a name"
            data = Path(text[1:]).read_bytes()
        else:
            data = text.encode()
        # Editors of Windows put a mark before the text, which is none of it.
        return msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8))
    except RecursionError as error:
        raise typer.BadParameter(
            f"{origin} is nested too deeply to be read; make it flatter", param_hint=argument
        ) from error
    except OSError as error:
        raise typer.BadParameter(
            f"{origin} cannot be read: {error.strerror}", param_hint=argument
        ) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise typer.BadParameter(
            f"{origin} is not JSON ({error}). A text needs quotes of its own, e.g. '\"text\"'",
            param_hint=argument,
        ) from error
