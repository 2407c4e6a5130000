"""Everything the drift job raises on purpose, as one tree.

DriftError                 a window cannot be judged: one line for the operator, exit code 2
├── WindowInvalid          a window, a moment, a date or a time zone cannot be read
├── ReferenceUnavailable   the reference does not exist, or is not what training writes
├── BaselineRefused        a window holds too few rows to be compared with
├── RunUnknown             no run has this id
├── WindowUnsettled        other jobs store runs on the window each time that it is judged
├── GoldenUnavailable      the service gives no answers to the golden texts that can be compared
├── HttpEnvironmentInvalid the environment names a proxy, or certificates, that cannot be used
└── ScheduleInvalid        the cron expression cannot be read, or means something else here than in cron

Messages say what was expected, what was found and the remedy. They never contain a client's text.
"""


class DriftError(Exception):
    """A window cannot be judged."""


class WindowInvalid(DriftError):
    """A window, a moment, a date or a time zone cannot be read."""


class ReferenceUnavailable(DriftError):
    """The reference does not exist, or is not what training writes."""


class BaselineRefused(DriftError):
    """A window holds too few rows to be compared with."""


class RunUnknown(DriftError):
    """No run has this id."""


class WindowUnsettled(DriftError):
    """Other jobs store runs on the window each time that it is judged."""


class GoldenUnavailable(DriftError):
    """The service gives no answers to the golden texts that can be compared."""


class HttpEnvironmentInvalid(DriftError):
    """The environment names a proxy, or certificates, that cannot be used."""


class ScheduleInvalid(DriftError):
    """The cron expression cannot be read, or means something else here than in cron."""
