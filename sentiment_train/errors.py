"""What can go wrong in training, as one tree.

TrainingError            every failure a user can mend; the command line prints it as one line
├── UnusableData         the ratings cannot be read or split
├── UnusableCheckpoint   the base model, the fitted model or its export is not what it must be
├── FolderTaken          the folder to write holds something already
└── NotWritten           the disk is full, or the place cannot be written; nothing is left there
"""


class TrainingError(Exception):
    """A failure whose message says what was expected, what was found and the remedy."""


class UnusableData(TrainingError):
    """The ratings cannot be read, or what was read cannot be split or learned from."""


class UnusableCheckpoint(TrainingError):
    """A model folder lacks something, has another shape, or fails its own check."""


class FolderTaken(TrainingError):
    """The folder that a command was told to write holds something already."""


class NotWritten(TrainingError):
    """The disk is full, or the place cannot be written; nothing half-written is left."""
