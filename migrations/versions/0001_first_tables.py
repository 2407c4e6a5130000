"""The prediction log, feedback and the drift tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_REALS: postgresql.ARRAY[float] = postgresql.ARRAY(postgresql.REAL())
_UUID = postgresql.UUID(as_uuid=True)


def upgrade() -> None:
    """Create the tables; `predictions` gets its monthly partitions from `db upgrade` and from the shipper."""
    op.create_table(
        "predictions",
        sa.Column("prediction_id", _UUID, nullable=False, comment="UUIDv7; its milliseconds are created_at"),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text()),
        sa.Column("source", sa.Text(), nullable=False, comment="api, hf, v2, console, golden or bench"),
        sa.Column("api_key_name", sa.Text()),
        sa.Column("product_id", sa.Text()),
        sa.Column("event_timestamp", _TIME, comment="when the review was written, as the client says"),
        sa.Column("text", sa.Text(), comment="absent when the text policy keeps none"),
        sa.Column("text_hash", sa.LargeBinary(), nullable=False, comment="keyed BLAKE2b of the text, 16 bytes"),
        sa.Column("metadata", postgresql.JSONB()),
        sa.Column("descriptors", postgresql.JSONB(), nullable=False),
        sa.Column("descriptors_version", sa.SmallInteger(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.Column("logits", _REALS, nullable=False, comment="uncalibrated, in the order of the bundle's labels"),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("score", postgresql.REAL(), nullable=False, comment="calibrated probability of the label"),
        sa.Column("probabilities", postgresql.JSONB(), nullable=False, comment="calibrated, by label"),
        sa.Column("embedding", _REALS, nullable=False, comment="projected; empty when the bundle has no projection"),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column(
            "latency_ms", postgresql.REAL(), nullable=False, comment="from the start of the use case to the logits"
        ),
        sa.PrimaryKeyConstraint("prediction_id", name="predictions_pkey"),
        postgresql_partition_by="RANGE (prediction_id)",
        comment="one row for each prediction_id that a client was given; partitioned by month",
    )
    op.create_table(
        "feedback",
        sa.Column("feedback_id", _UUID, nullable=False, comment="UUIDv7, given at receipt"),
        sa.Column("prediction_id", _UUID, nullable=False, comment="no foreign key: feedback may come first"),
        sa.Column("received_at", _TIME, nullable=False, comment="the last one wins"),
        sa.Column("rating", sa.SmallInteger()),
        sa.Column("label", sa.Text()),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("feedback_id", name="feedback_pkey"),
    )
    op.create_index("feedback_prediction_id_idx", "feedback", ["prediction_id", "received_at"])
    op.create_table(
        "drift_runs",
        sa.Column("run_id", _UUID, nullable=False),
        sa.Column(
            "revision", sa.Integer(), nullable=False, comment="1, then one more each time the window is judged again"
        ),
        sa.Column("window_start", _TIME, nullable=False),
        sa.Column("window_end", _TIME, nullable=False, comment="exclusive"),
        sa.Column("reference", sa.Text(), nullable=False, comment="bundle, or window:START..END"),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME, nullable=False),
        sa.Column("n_current", sa.Integer(), nullable=False),
        sa.Column("n_reference", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False, comment="none, watch, drift or not_judged"),
        sa.Column("reason", sa.Text(), nullable=False, comment="one line"),
        sa.Column("report_html", sa.LargeBinary(), comment="gzip"),
        sa.Column("report_json", sa.LargeBinary(), comment="gzip; Evidently's snapshot"),
        sa.PrimaryKeyConstraint("run_id", name="drift_runs_pkey"),
        sa.UniqueConstraint(
            "window_start",
            "window_end",
            "model_version",
            "reference",
            "revision",
            name="drift_runs_window_start_key",
        ),
    )
    op.create_table(
        "drift_metrics",
        sa.Column("run_id", _UUID, nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False, comment="inputs, predictions or accuracy"),
        sa.Column("value", sa.Double(), comment="in the current window"),
        sa.Column("reference_value", sa.Double()),
        sa.Column("effect", sa.Double(), comment="what is compared with the floor"),
        sa.Column("p_value", sa.Double()),
        sa.Column("adjusted_p", sa.Double(), comment="Holm, over the tests of the run"),
        sa.Column("floor", sa.Double(), comment="effects below it are not worth a reader's time"),
        sa.Column("threshold", sa.Double(), comment="what adjusted_p is compared with"),
        sa.Column("direction", sa.Text(), nullable=False, comment="up, down or none"),
        sa.Column("verdict", sa.Text(), nullable=False, comment="none, watch, drift or not_judged"),
        sa.Column("n", sa.Integer(), nullable=False, comment="rows of the current window that the metric could use"),
        sa.ForeignKeyConstraint(
            ["run_id"], ["drift_runs.run_id"], name="drift_metrics_run_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "metric", name="drift_metrics_pkey"),
    )


def downgrade() -> None:
    """Drop the tables, and with `predictions` all of its partitions."""
    for table in ("drift_metrics", "drift_runs", "feedback", "predictions"):
        op.drop_table(table)
