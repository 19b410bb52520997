"""What the demo prints: lines as things happen, a bar on a terminal, the table, the verdict."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

import corral
from examples.demo.killing import Killed
from examples.demo.progress import Progress as Runs
from examples.demo.progress import Seen
from examples.demo.verdict import Verdict

# Where there is no terminal, and so no width: a row is one line of at most this.
PIPE_WIDTH = 140
# What the columns between the file and its summary take, gaps included.
OTHER_COLUMNS = 36
LEAST_SUMMARY = 20


def console() -> Console:
    """The console of a terminal, or plain lines of a fixed width for a pipe."""
    found = Console()
    return found if found.is_terminal else Console(width=PIPE_WIDTH)


class Screen:
    """One console; on a terminal with a bar at its foot."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[working]}", style="dim"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None

    def say(self, text: str, style: str = "") -> None:
        """Prints a line above the bar."""
        self._bar.console.print(text, style=style, highlight=False, soft_wrap=True)

    def begin(self, total: int) -> None:
        """Shows the bar."""
        self._task = self._bar.add_task("runs", total=total, working="")
        self._bar.start()

    def update(self, runs: Runs, changed: Seen | None) -> None:
        """Shows what an event has changed."""
        if changed and changed.status != "pending":
            seconds = f" in {changed.seconds:.1f} s" if changed.ended else ""
            hub = f" (hub {changed.given_by})" if changed.given_by and not changed.ended else ""
            self.say(
                f"  {changed.status:<9} {changed.name} on {changed.worker or '?'}{hub}{seconds}",
                "" if changed.status == "completed" else "dim",
            )
        if self._task is not None:
            working = [
                f"{run.name} {run.section}/{run.sections}"
                for run in runs.runs.values()
                if run.status == "running" and run.sections
            ]
            self._bar.update(self._task, completed=runs.ended, working=", ".join(working[:3]))

    def end(self) -> None:
        """Takes the bar away."""
        self._bar.stop()

    def killed(self, killed: Killed, survivor: str) -> None:
        """Says what was killed, and what it had in its hands."""
        workers = ", ".join(f"{name}: {count}" for name, count in sorted(killed.workers.items()))
        self.say(
            f"\nSIGKILL for hub {killed.hub} (process {killed.pid}) with {killed.in_flight} runs "
            f"in flight on its sessions ({workers}). Hub {survivor} is left.\n",
            "bold red",
        )

    def table(self, runs: Runs, found: dict[str, corral.RunSnapshot | None]) -> None:
        """Prints one row for each run."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("file", "worker", "hub", "attempts", "time", "summary"):
            right = name in ("attempts", "time")
            table.add_column(name, justify="right" if right else "left", no_wrap=True)
        longest = max(len(seen.name) for seen in runs.runs.values())
        width = max(LEAST_SUMMARY, self._console.width - longest - OTHER_COLUMNS)
        for run_id, seen in runs.runs.items():
            run = found[run_id]
            line = _first_line(run)
            table.add_row(
                seen.name,
                (run.worker_id if run else "") or seen.worker,
                seen.hubs,
                str(run.attempt) if run else "?",
                f"{seen.seconds:.1f} s",
                line if len(line) <= width else line[: width - 1] + "…",
            )
        self._console.print(table)

    def verdict(self, verdict: Verdict, killed: Killed) -> None:
        """Prints the numbers, and what they mean."""
        self.say(f"\nin flight at the kill    {killed.in_flight}")
        self.say(f"submitted                {verdict.submitted}")
        self.say(f"completed                {verdict.completed}")
        self.say(f"failed                   {verdict.failed}")
        self.say(f"lost                     {verdict.lost}")
        self.say(f"executed more than once  {verdict.executed_again}   (by the workers' ledger)")
        self.say(f"executions               {verdict.executions}")
        if verdict.good:
            self.say("\nNothing was lost, and every run was executed exactly once.", "bold green")
        else:
            self.say("\nThis is not as it should be: see the rows above and the logs.", "bold red")


def _first_line(run: corral.RunSnapshot | None) -> str:
    if run is None:
        return "unknown to the hub"
    if run.error is not None:
        return f"{run.error.type}: {run.error.message}"
    sentences: list[str] = (run.output or {}).get("sentences", [])
    return sentences[0] if sentences else "(no sentences)"
