"""The settings, read from the environment (`SENTIMENT_...`) once, in a `__main__`, and passed on from there."""

import datetime as dt
import difflib
import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from sentiment_api.errors import SettingsInvalid
from sentiment_api.model.engines import EngineName

S = TypeVar("S", bound=BaseSettings)
Network = IPv4Network | IPv6Network

PATH_PREFIX: Final = re.compile(r"(?!.{201})(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?", re.ASCII)
"""A plain path: no `//`, which a browser takes for a host, no `..`, nothing that some decode and others do not."""

_PREFIX = "SENTIMENT_"
_OF_THE_DRIFT_JOB = (
    *("timezone", "drift_min_rows", "drift_sample", "drift_quiet_windows", "drift_segment_keys"),
    *("service_url", "service_key", "notify_url", "notify_on"),
)
"""What `drift_jobs.settings` reads: services and jobs are often given one environment."""
_LONGEST_NAME = 63
"""Bytes that Postgres keeps of a name."""
_GONE = {"MAX_BATCH_TOKENS": "the engine knows what it takes"}
"""Settings of earlier releases, and why they are no more."""
_LINK = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_\w+)=|\w+_PORT=(tcp|udp|sctp)://")
"""What Kubernetes tells pods of a service whose name begins with `sentiment`, with the beginning of the value."""


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="ignore", protected_namespaces=(), env_ignore_empty=True
    )


class ModelSettings(_Settings):
    """Which model answers, and on what."""

    model: Path = Path("models/starter")
    """The bundle to serve."""
    engine: EngineName = "cpu"
    threads: int | None = Field(default=None, ge=1)
    """Engine threads; by default the cores that this process may use."""


class ShadowSettings(_Settings):
    """Which model scores beside it, for comparison."""

    shadow_model: Path | None = None
    """The bundle of the shadow model; None is none. It runs on the engine of the model that serves."""
    shadow_share: float = Field(default=0.1, ge=0, le=1)
    """Of customers' predictions that the shadow model scores after their replies."""


class DataSettings(_Settings):
    """Where the service keeps its files."""

    data_dir: Path = Path("data")
    """The folder of the embedded Postgres and of the spools. Kept between runs."""


class DatabaseSettings(DataSettings):
    """Where Postgres is. The service, the migrations and the drift job share these."""

    database: Literal["embedded"] | None = None
    """`embedded` runs a Postgres of our own under `data_dir`; unset means `database_url`."""
    database_url: SecretStr | None = None
    """`postgresql://user:password@host:port/name` of an external Postgres."""
    database_password: SecretStr | None = None
    """Its password, of any characters, where `database_url` has none. Meant for `SENTIMENT_DATABASE_PASSWORD_FILE`."""
    database_schema: str | None = None
    """The schema of the tables, which `db upgrade` creates; unset it is the first one of the role's search path."""
    read_timeout_s: float = Field(default=2.0, gt=0, le=20)
    """How long a reply may wait for what Postgres holds, such as a list of predictions; then it is 503. No longer than
    others wait for the connection that it holds meanwhile, which is 30 s."""
    keep: dt.timedelta = dt.timedelta(days=400)
    """How long predictions are kept at least, in days such as `400d`; months that are older are dropped each night."""

    @field_validator("database_schema")
    @classmethod
    def _is_schema(cls, name: str | None) -> str | None:
        if name is not None and (not name.isprintable() or len(name.encode()) > _LONGEST_NAME or name[:3] == "pg_"):
            raise ValueError("expected the name of a schema of your own, of at most 63 bytes, such as sentiment")
        return name

    @field_validator("keep", mode="before")
    @classmethod
    def _days(cls, keep: Any) -> Any:  # noqa: ANN401 - what the environment has
        if not isinstance(keep, str):
            return keep
        if not re.fullmatch(r"[1-9][0-9]{0,4}d", keep):
            raise ValueError("expected a number of days such as 400d")
        return dt.timedelta(days=int(keep.removesuffix("d")))

    @model_validator(mode="after")
    def _one_database(self) -> Self:
        if (self.database is None) == (self.database_url is None):
            raise ValueError(
                "set exactly one of SENTIMENT_DATABASE=embedded (a Postgres of our own under SENTIMENT_DATA_DIR) "
                "and SENTIMENT_DATABASE_URL=postgresql://user:password@host:port/name"
            )
        return self


class SpoolSettings(DataSettings):
    """How predictions are kept until Postgres has them."""

    spool_max_bytes: int = Field(default=1 << 30, ge=1 << 20)
    """Bound of the spool; at about 2 kB a record the default holds 500,000 predictions."""
    spool_full: Literal["refuse", "drop_oldest"] = "refuse"
    """What a full spool does: refuse predictions, or lose its oldest records and with them the promise to lose none."""
    spool_fsync: Literal["append", "interval", "never"] = "interval"
    """When records are forced to the disk: before the reply, every interval, or when the system sees fit."""
    spool_fsync_interval_s: float = Field(default=0.2, gt=0)
    """The most that a power cut can cost when `spool_fsync` is `interval`. kill -9 never costs anything."""


class TracingSettings(_Settings):
    """Whether requests are traced, by OpenTelemetry's own variables. Its SDK reads the others."""

    otel_sdk_disabled: bool = Field(default=False, validation_alias="OTEL_SDK_DISABLED")
    """Turns Apitally off, too, which is built on the SDK."""
    otel_traces_exporter: str | None = Field(default=None, validation_alias="OTEL_TRACES_EXPORTER")
    """`otlp`, `console` or `none`; unset it is `otlp` if there is an endpoint. The standard would have it on always."""
    otel_endpoint: str | None = Field(
        default=None,
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    )
    otel_protocol: str = Field(
        default="http/protobuf",
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
    )

    def trace_exporters(self) -> frozenset[str]:
        """Return what traces are sent by: `otlp`, `console`, both or nothing."""
        if self.otel_sdk_disabled:
            return frozenset()
        named = self.otel_traces_exporter or ("otlp" if self.otel_endpoint else "none")
        return frozenset(name.strip() for name in named.lower().split(",")) - {"none"}

    @model_validator(mode="after")
    def _can_send(self) -> Self:
        exporters = self.trace_exporters()
        if strange := sorted(exporters - {"otlp", "console"}):
            raise ValueError(f"expected OTEL_TRACES_EXPORTER to be otlp, console or none, found {strange[0]!r}")
        if "otlp" in exporters and self.otel_protocol != "http/protobuf":
            raise ValueError(
                f"expected http/protobuf, found OTEL_EXPORTER_OTLP_PROTOCOL={self.otel_protocol}; leave it out and let "
                "OTEL_EXPORTER_OTLP_ENDPOINT name the receiver's port for HTTP, which is 4318 as a rule"
            )
        if "otlp" in exporters and not (self.otel_endpoint or "http:").startswith(("http:", "https:")):
            raise ValueError("expected OTEL_EXPORTER_OTLP_ENDPOINT to be a URL such as http://127.0.0.1:4318")
        return self


class ServiceSettings(ModelSettings, ShadowSettings, DatabaseSettings, SpoolSettings, TracingSettings):
    """Everything that an operator may choose about the service."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    keys: Literal["off", "required"] = "off"
    """Whether clients need API keys, which `sentiment-api keys create` makes."""
    behind_proxy: bool = False
    """States that a proxy authenticates the clients. Without it and without keys only loopback addresses are served."""

    max_concurrent_requests: int = Field(default=256, ge=1)
    """Requests that may wait for the model at once; each holds one pool thread. The next one gets 503."""
    max_queued_tokens: int = Field(default=262_144, ge=1)
    """Bound of the work in the service. An idle service admits any legal batch."""
    cache_bytes: int = Field(default=0, ge=0)
    """Room for the answers of texts seen before; 0 turns the cache off."""
    root_path: str = ""
    """The path below which a proxy shows the service, such as `/reviews`, whether it strips that path or not."""
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = (ip_network("127.0.0.0/8"), ip_network("::1"))
    """Whose `X-Forwarded-Prefix` is believed where `root_path` is not set: addresses or networks, with commas."""
    body_timeout_s: float = Field(default=10.0, gt=0)
    """How long a request's body may take to arrive."""
    bodies_max_bytes: int = Field(default=24 << 20, ge=16 << 20)
    """Bound of all bodies that are in the service at once. An idle service takes any legal body."""
    max_connections: int = Field(default=1024, ge=16)
    """Connections that are served at once; others wait in the system's queue."""
    request_timeout_s: float = Field(default=10.0, gt=0)
    """How long a request may wait for its answer. What would wait longer is refused at once."""
    batch_timeout_s: float = Field(default=60.0, gt=0)

    text_policy: Literal["full", "redacted", "none"] = "full"
    """What of a review's text is kept in the prediction log. `redacted` leaves out what looks like contact or payment
    data, as far as `redaction` knows its formats."""
    phone_region: str = "US"
    """The country of telephone numbers without a country's code, for `redacted`: two letters of ISO 3166."""
    pending_window_h: float = Field(default=24.0, ge=0)
    """Feedback for an id that Postgres does not know is accepted while the id is younger than this."""
    drain_timeout_s: float = Field(default=10.0, gt=0)
    """How long shutdown ships what is spooled; the rest stays for the next start."""

    log_format: Literal["auto", "console", "json"] = "auto"
    apitally_write_token: SecretStr | None = Field(default=None, validation_alias="APITALLY_WRITE_TOKEN")

    @field_validator("host")
    @classmethod
    def _is_address(cls, host: str) -> str:
        """Granian binds to addresses, not names."""
        if host == "localhost":
            return "127.0.0.1"
        try:
            return str(ip_address(host))
        except ValueError:
            raise ValueError("expected an IP address such as 127.0.0.1") from None

    @field_validator("root_path")
    @classmethod
    def _is_prefix(cls, path: str) -> str:
        if not PATH_PREFIX.fullmatch(path):
            raise ValueError("expected a path of letters, digits and -._~, such as /reviews")
        return path.removesuffix("/")

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, given: Any) -> Any:  # noqa: ANN401 - what the environment has
        try:
            return [ip_network(each.strip()) for each in given.split(",")] if isinstance(given, str) else given
        except ValueError:
            raise ValueError("expected addresses or networks such as 127.0.0.1,10.0.0.0/8") from None

    @model_validator(mode="after")
    def _require_keys_beyond_loopback(self) -> Self:
        if not ip_address(self.host).is_loopback and self.keys == "off" and not self.behind_proxy:
            raise ValueError(
                f"expected a loopback address such as 127.0.0.1, found SENTIMENT_HOST={self.host}: anybody could ask. "
                "Have clients send keys with SENTIMENT_KEYS=required, or, if a proxy authenticates them, say so with "
                "SENTIMENT_BEHIND_PROXY=true"
            )
        return self


def read_settings(kind: type[S], **overrides: Any) -> S:  # noqa: ANN401 - any option
    """Return the settings of `kind` from the environment, `overrides` (a command's options) going first.

    Each variable may have `_FILE` at its end and name a file with the value, as secrets of containers come.

    Raises:
        SettingsInvalid: a variable is missing, malformed, contradicts another or is no setting, or a file cannot be
            read. The message never shows a value.
    """
    _refuse_unknown_variables()
    given: dict[str, Any] = _from_files(kind)
    given.update((name, value) for name, value in overrides.items() if value is not None)
    try:
        return kind(**given)
    except ValidationError as error:
        lines = [
            f"{_variable(problem['loc'])}{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_input=False)
        ]
        raise SettingsInvalid("; ".join(lines)) from error


def _refuse_unknown_variables() -> None:
    """A name misspelt would else leave its setting as it was: texts kept, say, that were not to be."""
    known = _known()
    lines = []
    for variable, value in sorted(os.environ.items()):
        name = variable.upper().removeprefix(_PREFIX)
        if not variable.upper().startswith(_PREFIX) or not value or known.get(name) == variable.upper():
            continue
        if not _LINK.match(f"{variable.upper()}={value}"):
            lines.append(f"{variable}: there is no such setting; {_remedy(name, known)}")
    if lines:
        raise SettingsInvalid("; ".join(lines))


def _known() -> dict[str, str]:
    """Return all variables by their names without the prefix."""
    fields = ServiceSettings.model_fields.items()
    names = [*(name for name, field in fields if field.validation_alias is None), *_OF_THE_DRIFT_JOB]
    known = {f"{name}{end}".upper(): f"{_PREFIX}{name}{end}".upper() for name in names for end in ("", "_file")}
    for _, field in fields:
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        known |= {choice: choice for choice in choices if isinstance(choice, str)}
    return known


def _remedy(name: str, known: Mapping[str, str]) -> str:
    if name in _GONE:
        return f"it is gone, {_GONE[name]}: unset it"
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {known[near[0]]}?" if near else "unset it"


def _from_files(kind: type[BaseSettings]) -> dict[str, str]:
    """Return the settings whose variables, with `_FILE` at the end, name files."""
    found = {}
    environment = {variable.upper(): value for variable, value in os.environ.items()}  # as pydantic reads the others
    for name, field in kind.model_fields.items():
        alias = field.validation_alias
        variable = alias if isinstance(alias, str) else f"{_PREFIX}{name}".upper()
        if path := environment.get(f"{variable}_FILE"):
            if environment.get(variable):
                raise SettingsInvalid(f"expected one of {variable} and {variable}_FILE, found both")
            found[alias if isinstance(alias, str) else name] = _content(variable, path)
    return found


def _content(variable: str, path: str) -> str:
    """Return what the file holds, but for space around it: editors and `echo` end files with a line's end."""
    try:
        content = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsInvalid(
            f"{variable}_FILE: cannot read {path}: {reason}; the user that runs this has to be able to"
        ) from error
    if not content:
        raise SettingsInvalid(f"{variable}_FILE: expected a value in {path}, found nothing")
    return content


def _variable(location: tuple[int | str, ...]) -> str:
    if not location:
        return ""
    name = str(location[0])
    return f"{name}: " if name.isupper() else f"{_PREFIX}{name}: ".upper()
