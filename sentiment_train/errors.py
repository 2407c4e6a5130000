"""What can go wrong in training, as one tree.

TrainingError            every failure a user can mend; the command line prints it as one line
├── UnusableData         the ratings cannot be read or split
├── UnusableCheckpoint   the base model, the fitted model or its export is not what it must be
├── FolderTaken          the folder to write holds something already
└── FullDisk             what a command made could not be written
"""


class TrainingError(Exception):
    """A failure whose message says what was expected, what was found and the remedy."""


class UnusableData(TrainingError):
    """The ratings cannot be read, or what was read cannot be split or learned from."""


class UnusableCheckpoint(TrainingError):
    """A model folder lacks something, has another shape, or fails its own check."""


class FolderTaken(TrainingError):
    """The folder that a command was told to write holds something already."""


class FullDisk(TrainingError):
    """A file could not be written: no room, a quota, or no permission."""
