"""Everything the drift job raises on purpose, as one tree.

DriftError                 a window cannot be judged: one line for the operator, exit code 2
├── WindowInvalid          a window, a moment, a date or a time zone cannot be read
├── ReferenceUnavailable   the reference does not exist, or is not what training writes
├── RunUnknown             no run has this id
└── ScheduleInvalid        the cron expression cannot be read, or means something else here than in cron

Messages say what was expected, what was found and the remedy. They never contain a client's text.
"""


class DriftError(Exception):
    """A window cannot be judged."""


class WindowInvalid(DriftError):
    """A window, a moment, a date or a time zone cannot be read."""


class ReferenceUnavailable(DriftError):
    """The reference does not exist, or is not what training writes."""


class RunUnknown(DriftError):
    """No run has this id."""


class ScheduleInvalid(DriftError):
    """The cron expression cannot be read, or means something else here than in cron."""
