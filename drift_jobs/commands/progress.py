"""How far a long step has come, on stderr: a bar in a terminal, else a line when it begins."""

import sys
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars


class Progress:
    """Takes `(what, done, total)`, also from another thread. A context manager, which clears the bars at its end."""

    def __init__(self) -> None:
        """Nothing is shown before the first step."""
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        # Lines on stdout go above the bars, unless they go to a file.
        self._bars = Bars(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())
        self._is_terminal = console.is_terminal
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the bars."""
        if self._tasks:  # without a terminal rich would print an empty line
            self._bars.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` parts of `what` are done."""
        if not self._is_terminal:
            if done == 0:
                print(f"{what} ({total:,})", file=sys.stderr, flush=True)
            return
        self._bars.start()
        task = self._tasks.get(what)
        if task is None:
            task = self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(task, completed=done, visible=done < total)
