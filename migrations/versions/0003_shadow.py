"""The answers of shadow models."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_REALS: postgresql.ARRAY[float] = postgresql.ARRAY(postgresql.REAL())


def upgrade() -> None:
    """Expand: a new table, which earlier releases neither need nor mind."""
    op.create_table(
        "shadow_predictions",
        sa.Column(
            "prediction_id",
            postgresql.UUID(as_uuid=True),
            nullable=False,
            comment="of the live prediction; no foreign key",
        ),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="of the live prediction"),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("logits", _REALS, nullable=False, comment="uncalibrated, in the order of the bundle's labels"),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("score", postgresql.REAL(), nullable=False, comment="calibrated probability of the label"),
        sa.Column("probabilities", postgresql.JSONB(), nullable=False, comment="calibrated, by label"),
        sa.Column(
            "latency_ms",
            postgresql.REAL(),
            nullable=False,
            comment="with all the time that it stood still for live work",
        ),
        sa.Column("processor_ms", postgresql.REAL(), nullable=False, comment="what it took of one processor"),
        sa.PrimaryKeyConstraint("prediction_id", "model_version", name="shadow_predictions_pkey"),
        comment="what a shadow model says of live predictions' texts; given to nobody",
    )


def downgrade() -> None:
    """Drop it. Shadow answers that are spooled wait as newer records, or are set aside by release 0.1."""
    op.drop_table("shadow_predictions")
