"""What can go wrong in training, as one tree.

TrainingError            every failure a user can mend; the command line prints it as one line
├── UnusableData         the ratings cannot be read or split
├── UnusableCheckpoint   the base model, the fitted model or its export is not what it must be
├── FolderTaken          the folder to write holds something already, or the file is there
├── NotWritten           the disk is full, or the place cannot be written; nothing is left there
├── OutOfMemory          the machine or its GPU has too little memory
├── Diverged             the loss is no number any more
├── Interrupted          a signal ended the fit, after a checkpoint
└── NotComparable        two models cannot be compared on these rows; exit code 2, since 1 says that B may not replace A
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sentiment_api.errors import PackageMissing


class TrainingError(Exception):
    """A failure whose message says what was expected, what was found and the remedy."""

    exit_code = 1


class UnusableData(TrainingError):
    """The ratings cannot be read, or what was read cannot be split or learned from."""


class UnusableCheckpoint(TrainingError):
    """A model folder lacks something, has another shape, or fails its own check."""


class FolderTaken(TrainingError):
    """The folder that a command was told to write holds something already, or the file is there."""


class NotWritten(TrainingError):
    """The disk is full, or the place cannot be written; nothing half-written is left."""


class OutOfMemory(TrainingError):
    """Something needs more memory than there is."""


class Diverged(TrainingError):
    """The loss is not finite: the weights are lost."""


class Interrupted(TrainingError):
    """A fit was told to stop, and left a checkpoint to go on from."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
        """As shells have it: 130 for Ctrl-C, 143 for SIGTERM."""


class NotComparable(TrainingError):
    """Two models cannot be compared, or the rows would not tell which is better."""

    exit_code = 2


@contextmanager
def out_of_memory_translated(remedy: str = "free some, or use a machine with more") -> Iterator[None]:
    """Turn what Python and torch raise when memory is short, on a CPU or a GPU, into an error with the remedy.

    Raises:
        OutOfMemory: memory was short.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        reason = (str(error) or "memory is exhausted").splitlines()[0]
        raise OutOfMemory(f"more memory is needed than there is ({reason}); {remedy}") from error


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory was short: torch has a class of its own on GPUs, and a plain RuntimeError on CPUs."""
    # The class by its name: torch takes seconds to import, and `--help` needs none of it.
    is_of_gpu = type(error).__name__ == "OutOfMemoryError"
    return isinstance(error, MemoryError) or is_of_gpu or "allocate memory" in str(error)


@contextmanager
def missing_library_translated() -> Iterator[None]:
    """Turn a failed import of another project's module into an error that says what to install.

    Raises:
        PackageMissing: a library of training is not installed, as after `make serve`.
    """
    try:
        yield
    except (ModuleNotFoundError, PackageMissing) as error:
        # What readers of review files raise names their extra, and training needs more than that.
        missing = error.__cause__ if isinstance(error, PackageMissing) else error
        name = missing.name if isinstance(missing, ModuleNotFoundError) else None
        library = (name or "").partition(".")[0]
        if library in {"", "sentiment_api", "sentiment_train"}:
            raise
        raise PackageMissing(f"this command needs {library}, which is not installed: make install-train") from missing
