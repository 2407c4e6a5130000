"""The tables. Migrations create them; everything that reads or writes them imports them from here."""

from typing import Literal, get_args

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, REAL, UUID

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    }
)

CustomerSource = Literal["api", "hf", "v2"]
OwnSource = Literal["golden", "bench", "console"]
Source = Literal[CustomerSource, OwnSource]

CUSTOMER_SOURCES: tuple[str, ...] = get_args(CustomerSource)
"""Where customers' predictions come from; the others are tries of our own."""

OWN_SOURCES: tuple[str, ...] = get_args(OwnSource)
"""What a request may say that it is, when it is no customer's: in no window, no list and no count by default."""

predictions = Table(
    "predictions",
    metadata,
    Column("prediction_id", UUID(as_uuid=True), primary_key=True, comment="UUIDv7; its milliseconds are created_at"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("request_id", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("source", Text, nullable=False, comment="api, hf, v2, console, golden or bench"),
    Column("api_key_name", Text),
    Column("product_id", Text),
    Column("event_timestamp", DateTime(timezone=True), comment="when the review was written, as the client says"),
    Column("text", Text, comment="absent when the text policy keeps none"),
    Column("text_hash", LargeBinary, nullable=False, comment="keyed BLAKE2b of the text, 16 bytes"),
    Column("metadata", JSONB),
    Column("descriptors", JSONB, nullable=False),
    Column("descriptors_version", SmallInteger, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("truncated", Boolean, nullable=False),
    Column("logits", ARRAY(REAL), nullable=False, comment="uncalibrated, in the order of the bundle's labels"),
    Column("label", Text, nullable=False),
    Column("score", REAL, nullable=False, comment="calibrated probability of the label"),
    Column("probabilities", JSONB, nullable=False, comment="calibrated, by label"),
    Column("embedding", ARRAY(REAL), nullable=False, comment="projected; empty when the bundle has no projection"),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("latency_ms", REAL, nullable=False, comment="from the start of the use case to the logits"),
    Index("predictions_product_id_idx", "product_id", "prediction_id"),
    # Our own tries are few among many; without this a list of them would read all months.
    Index(
        "predictions_tries_idx",
        "source",
        "prediction_id",
        postgresql_where=text("source not in ('api', 'hf', 'v2')"),
    ),
    postgresql_partition_by="RANGE (prediction_id)",
    comment="one row for each prediction_id that a client was given; partitioned by month",
)

feedback = Table(
    "feedback",
    metadata,
    Column("feedback_id", UUID(as_uuid=True), primary_key=True, comment="UUIDv7, given at receipt"),
    Column("prediction_id", UUID(as_uuid=True), nullable=False, comment="no foreign key: feedback may come first"),
    Column("received_at", DateTime(timezone=True), nullable=False, comment="the last one wins"),
    Column("rating", SmallInteger),
    Column("label", Text),
    Column("request_id", Text, nullable=False),
    Index("feedback_prediction_id_idx", "prediction_id", "received_at"),
)

shadow_predictions = Table(
    "shadow_predictions",
    metadata,
    Column("prediction_id", UUID(as_uuid=True), primary_key=True, comment="of the live prediction; no foreign key"),
    Column("model_version", Text, primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False, comment="of the live prediction"),
    Column("model_name", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("logits", ARRAY(REAL), nullable=False, comment="uncalibrated, in the order of the bundle's labels"),
    Column("label", Text, nullable=False),
    Column("score", REAL, nullable=False, comment="calibrated probability of the label"),
    Column("probabilities", JSONB, nullable=False, comment="calibrated, by label"),
    Column("latency_ms", REAL, nullable=False, comment="with all the time that it stood still for live work"),
    Column("processor_ms", REAL, nullable=False, comment="what it took of one processor"),
    comment="what a shadow model says of live predictions' texts; given to nobody",
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True, comment="later ones have higher numbers"),
    Column("prediction_id", UUID(as_uuid=True), comment="this prediction, or"),
    Column("product_id", Text, comment="all predictions of this product that were given before `until`"),
    Column("until", UUID(as_uuid=True), comment="exclusive; the first id of a millisecond"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("(prediction_id is null) <> (product_id is null)", name="tombstones_one_subject"),
    CheckConstraint("(product_id is null) = (until is null)", name="tombstones_until"),
    Index("tombstones_prediction_id_idx", "prediction_id", unique=True),
    Index("tombstones_product_id_idx", "product_id"),
    comment="what was erased and must not come back from a spool",
)

spools = Table(
    "spools",
    metadata,
    Column("spool_id", UUID(as_uuid=True), primary_key=True),
    Column("host", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False, comment="when its process last said that it lives"),
    Column("purged_to", BigInteger, nullable=False, comment="the last tombstone that it has purged its files of"),
    comment="spools that may hold records; a process that ends with an empty one takes its row away",
)

retention = Table(
    "retention",
    metadata,
    Column("one_row", Boolean, primary_key=True, comment="true: there is one row at most"),
    Column("kept_from", UUID(as_uuid=True), nullable=False, comment="predictions with smaller ids were dropped"),
    CheckConstraint("one_row", name="retention_one_row"),
    comment="how far the dropping of old months has come",
)

drift_runs = Table(
    "drift_runs",
    metadata,
    Column("run_id", UUID(as_uuid=True), primary_key=True),
    Column("revision", Integer, nullable=False, comment="1, then one more each time the window is judged again"),
    Column("window_start", DateTime(timezone=True), nullable=False),
    Column("window_end", DateTime(timezone=True), nullable=False, comment="exclusive"),
    Column(
        "reference",
        Text,
        nullable=False,
        comment="bundle, auto:bundle, baseline:START..END or window:START..END",
    ),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True), nullable=False),
    Column("n_current", Integer, nullable=False),
    Column("n_reference", Integer, nullable=False),
    Column("verdict", Text, nullable=False, comment="none, watch, drift or not_judged"),
    Column("reason", Text, nullable=False, comment="one line"),
    Column("details", JSONB, nullable=False, server_default=text("'{}'"), comment="back-test, coverage, causes"),
    Column("input_state", Text, comment="changes when rows, feedback or the reference do"),
    Column(
        "notice_due",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="an alarm that no receiver has taken yet",
    ),
    Column("report_html", LargeBinary, comment="gzip"),
    Column("report_json", LargeBinary, comment="gzip; Evidently's snapshot"),
    UniqueConstraint(
        "window_start", "window_end", "model_version", "reference", "revision", name="drift_runs_window_start_key"
    ),
    Index("drift_runs_model_version_idx", "model_version", "window_end"),
)

drift_metrics = Table(
    "drift_metrics",
    metadata,
    Column("run_id", UUID(as_uuid=True), ForeignKey("drift_runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("metric", Text, primary_key=True),
    Column(
        "segment", Text, primary_key=True, server_default=text("''"), comment="empty for the whole window, or KEY:VALUE"
    ),
    Column("family", Text, nullable=False, comment="inputs, predictions, accuracy, estimates or model"),
    Column("value", Double, comment="in the current window"),
    Column("lower", Double, comment="of the 95 % interval of the value"),
    Column("upper", Double),
    Column("reference_value", Double),
    Column("effect", Double, comment="what is compared with the floor"),
    Column("p_value", Double),
    Column("adjusted_p", Double, comment="for the number of tests, and by quiet windows"),
    Column("floor", Double, comment="effects below it are not worth a reader's time"),
    Column("threshold", Double, comment="what adjusted_p is compared with; of golden texts, the effect"),
    Column("detectable", Double, comment="smallest effect that 8 of 10 such windows would have shown"),
    Column("direction", Text, nullable=False, comment="up, down or none"),
    Column("verdict", Text, nullable=False, comment="none, watch, drift or not_judged"),
    Column("n", Integer, nullable=False, comment="rows of the current window that the metric could use"),
    Column("note", Text, nullable=False, server_default=text("''"), comment="why it is not judged, or what to know"),
)

drift_calibrations = Table(
    "drift_calibrations",
    metadata,
    Column("calibration_id", UUID(as_uuid=True), primary_key=True),
    Column("model_version", Text, nullable=False),
    Column("reference", Text, nullable=False, comment="as in drift_runs"),
    Column("reference_state", Text, nullable=False, comment="changes when the reference's rows do"),
    Column("size", Integer, nullable=False, comment="rows of each quiet window"),
    Column("windows", Integer, nullable=False, comment="quiet windows that were drawn"),
    Column("products", Double, nullable=False, comment="effective number of products of a quiet window, mean"),
    Column("smallest_p", ARRAY(Double), nullable=False, comment="of each quiet window, over its tests; ascending"),
    Column("back_test", JSONB, nullable=False, comment="rates of watch and drift on windows kept apart"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint(
        "model_version", "reference", "reference_state", "size", name="drift_calibrations_model_version_key"
    ),
    comment="what quiet windows look like: one row for each size of window that was tried",
)

drift_floors = Table(
    "drift_floors",
    metadata,
    Column(
        "calibration_id",
        UUID(as_uuid=True),
        ForeignKey("drift_calibrations.calibration_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("metric", Text, primary_key=True),
    Column(
        "segment", Text, primary_key=True, server_default=text("''"), comment="empty for the whole window, or KEY:VALUE"
    ),
    Column("model_version", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column(
        "floor",
        Double,
        nullable=False,
        comment="no run is judged by it: the larger of the practical floor and the quantile",
    ),
    Column("quantile", Double, nullable=False, comment="of the effect on quiet windows, at 0.99"),
    Column(
        "errors",
        Double,
        nullable=False,
        comment="the same of the effect in its standard errors; times its own standard error it is a run's floor",
    ),
    comment="how large an effect must be, by model version, reference, metric, segment and size of window",
)

drift_baselines = Table(
    "drift_baselines",
    metadata,
    Column("baseline_id", UUID(as_uuid=True), primary_key=True),
    Column("model_version", Text, nullable=False),
    Column("window_start", DateTime(timezone=True), nullable=False),
    Column("window_end", DateTime(timezone=True), nullable=False, comment="exclusive"),
    Column("rows", Integer, nullable=False, comment="when it was accepted"),
    Column("origin", Text, nullable=False, comment="accepted by a person, or auto: the first traffic of its own"),
    Column("accepted_at", DateTime(timezone=True), nullable=False, comment="the last one holds"),
    Index("drift_baselines_model_version_idx", "model_version", "accepted_at"),
    comment="windows of the log that a model version is compared with",
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True, comment="the part of a key that is no secret"),
    Column("name", Text, nullable=False, comment="stands in logs and in predictions.api_key_name"),
    Column("secret_hash", LargeBinary, nullable=False, comment="SHA-256 of the 256-bit random secret"),
    Column(
        "scopes",
        ARRAY(Text),
        nullable=False,
        comment="of predict, feedback, read, metrics and admin, which holds the others",
    ),
    Column("tokens_per_minute", Integer, comment="null is no limit"),
    Column("bucket", Double, comment="tokens left of the limit at bucket_at; null is full"),
    Column("bucket_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", DateTime(timezone=True), comment="null is never"),
    Column("revoked_at", DateTime(timezone=True), comment="null while it lives"),
    # A revoked key's name is free for the next one.
    Index("api_keys_living_name_idx", "name", unique=True, postgresql_where=text("revoked_at IS NULL")),
    comment="who may ask the service, and for what",
)
