"""Segments, intervals, floors and baselines of the drift job."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_EMPTY = sa.text("''")
_SEGMENT_COMMENT = "empty for the whole window, or KEY:VALUE"
_NEW_METRIC_COLUMNS = ("lower", "upper", "detectable")


def upgrade() -> None:
    """Expand: new tables, and new columns with a default, which earlier releases neither need nor mind.

    The primary key of `drift_metrics` takes in the segment; an earlier release's rows are of the whole window.
    """
    op.add_column(
        "drift_runs",
        sa.Column(
            "details",
            postgresql.JSONB(),
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="back-test, coverage, causes",
        ),
    )
    op.add_column(
        "drift_runs", sa.Column("input_state", sa.Text(), comment="changes when rows, feedback or the reference do")
    )
    op.create_index("drift_runs_model_version_idx", "drift_runs", ["model_version", "window_end"])
    op.alter_column(
        "drift_runs",
        "reference",
        comment="bundle, auto:bundle, baseline:START..END or window:START..END",
        existing_comment="bundle, or window:START..END",
        existing_type=sa.Text(),
        existing_nullable=False,
    )
    _expand_metrics()
    _create_calibrations()
    op.create_table(
        "drift_baselines",
        sa.Column("baseline_id", postgresql.UUID(as_uuid=True), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=False, comment="exclusive"),
        sa.Column("rows", sa.Integer(), nullable=False, comment="when it was accepted"),
        sa.Column(
            "origin", sa.Text(), nullable=False, comment="accepted by a person, or auto: the first traffic of its own"
        ),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False, comment="the last one holds"),
        sa.PrimaryKeyConstraint("baseline_id", name="drift_baselines_pkey"),
        comment="windows of the log that a model version is compared with",
    )
    op.create_index("drift_baselines_model_version_idx", "drift_baselines", ["model_version", "accepted_at"])


def downgrade() -> None:
    """Drop them. Rows of segments go too: the older primary key has no room for them."""
    op.drop_table("drift_baselines")
    op.drop_table("drift_floors")
    op.drop_table("drift_calibrations")
    op.execute("delete from drift_metrics where segment <> ''")
    op.drop_constraint("drift_metrics_pkey", "drift_metrics", type_="primary")
    op.create_primary_key("drift_metrics_pkey", "drift_metrics", ["run_id", "metric"])
    for name in ("segment", "note", *_NEW_METRIC_COLUMNS):
        op.drop_column("drift_metrics", name)
    _comment_metrics(forward=False)
    op.alter_column(
        "drift_runs",
        "reference",
        comment="bundle, or window:START..END",
        existing_comment="bundle, auto:bundle, baseline:START..END or window:START..END",
        existing_type=sa.Text(),
        existing_nullable=False,
    )
    op.drop_index("drift_runs_model_version_idx", "drift_runs")
    op.drop_column("drift_runs", "input_state")
    op.drop_column("drift_runs", "details")


def _expand_metrics() -> None:
    op.add_column(
        "drift_metrics",
        sa.Column("segment", sa.Text(), nullable=False, server_default=_EMPTY, comment=_SEGMENT_COMMENT),
    )
    op.add_column(
        "drift_metrics",
        sa.Column(
            "note", sa.Text(), nullable=False, server_default=_EMPTY, comment="why it is not judged, or what to know"
        ),
    )
    comments = {
        "lower": "of the 95 % interval of the value",
        "upper": None,
        "detectable": "smallest effect that 8 of 10 such windows would have shown",
    }
    for name in _NEW_METRIC_COLUMNS:
        op.add_column("drift_metrics", sa.Column(name, sa.Double(), comment=comments[name]))
    op.drop_constraint("drift_metrics_pkey", "drift_metrics", type_="primary")
    op.create_primary_key("drift_metrics_pkey", "drift_metrics", ["run_id", "metric", "segment"])
    _comment_metrics(forward=True)


def _comment_metrics(*, forward: bool) -> None:
    comments = {
        "family": (
            sa.Text(),
            False,
            "inputs, predictions or accuracy",
            "inputs, predictions, accuracy, estimates or model",
        ),
        "adjusted_p": (
            sa.Double(),
            True,
            "Holm, over the tests of the run",
            "for the number of tests, and by quiet windows",
        ),
        "threshold": (
            sa.Double(),
            True,
            "what adjusted_p is compared with",
            "what adjusted_p is compared with; of golden texts, the effect",
        ),
    }
    for name, (kind, nullable, before, after) in comments.items():
        old, new = (before, after) if forward else (after, before)
        op.alter_column(
            "drift_metrics", name, comment=new, existing_comment=old, existing_type=kind, existing_nullable=nullable
        )


def _create_calibrations() -> None:
    op.create_table(
        "drift_calibrations",
        sa.Column("calibration_id", postgresql.UUID(as_uuid=True), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False, comment="as in drift_runs"),
        sa.Column("reference_state", sa.Text(), nullable=False, comment="changes when the reference's rows do"),
        sa.Column("size", sa.Integer(), nullable=False, comment="rows of each quiet window"),
        sa.Column("windows", sa.Integer(), nullable=False, comment="quiet windows that were drawn"),
        sa.Column(
            "products", sa.Double(), nullable=False, comment="effective number of products of a quiet window, mean"
        ),
        sa.Column(
            "smallest_p",
            postgresql.ARRAY(sa.Double()),
            nullable=False,
            comment="of each quiet window, over its tests; ascending",
        ),
        sa.Column(
            "back_test",
            postgresql.JSONB(),
            nullable=False,
            comment="rates of watch and drift on windows kept apart",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("calibration_id", name="drift_calibrations_pkey"),
        sa.UniqueConstraint(
            "model_version", "reference", "reference_state", "size", name="drift_calibrations_model_version_key"
        ),
        comment="what quiet windows look like: one row for each size of window that was tried",
    )
    op.create_table(
        "drift_floors",
        sa.Column("calibration_id", postgresql.UUID(as_uuid=True), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False, server_default=_EMPTY, comment=_SEGMENT_COMMENT),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("floor", sa.Double(), nullable=False, comment="the larger of the practical floor and the quantile"),
        sa.Column("quantile", sa.Double(), nullable=False, comment="of the effect on quiet windows, at 0.99"),
        sa.Column("errors", sa.Double(), nullable=False, comment="the same of the effect in its standard errors"),
        sa.ForeignKeyConstraint(
            ["calibration_id"],
            ["drift_calibrations.calibration_id"],
            name="drift_floors_calibration_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("calibration_id", "metric", "segment", name="drift_floors_pkey"),
        comment="how large an effect must be, by model version, reference, metric, segment and size of window",
    )
