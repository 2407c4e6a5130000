"""What can go wrong in training, as one tree.

TrainingError            every failure a user can mend; the command line prints it as one line
├── UnusableData         the ratings cannot be read or split
├── UnusableCheckpoint   the base model, the fitted model or its export is not what it must be
├── FolderTaken          the folder to write holds something already
├── FullDisk             what a command made could not be written
└── NotComparable        two models cannot be compared on these rows; exit code 2, since 1 says that B may not replace A
"""


class TrainingError(Exception):
    """A failure whose message says what was expected, what was found and the remedy."""

    exit_code = 1


class UnusableData(TrainingError):
    """The ratings cannot be read, or what was read cannot be split or learned from."""


class UnusableCheckpoint(TrainingError):
    """A model folder lacks something, has another shape, or fails its own check."""


class FolderTaken(TrainingError):
    """The folder that a command was told to write holds something already."""


class FullDisk(TrainingError):
    """A file could not be written: no room, a quota, or no permission."""


class NotComparable(TrainingError):
    """Two models cannot be compared, or the rows would not tell which is better."""

    exit_code = 2
