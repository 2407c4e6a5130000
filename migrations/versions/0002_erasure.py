"""Tombstones, the spools that must heed them, the bound of retention, and indexes for lists of predictions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_UUID = postgresql.UUID(as_uuid=True)


def upgrade() -> None:
    """Expand: new tables and indexes, which release 0.1 neither needs nor minds."""
    op.create_table(
        "tombstones",
        sa.Column(
            "number",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="later ones have higher numbers",
        ),
        sa.Column("prediction_id", _UUID, comment="this prediction, or"),
        sa.Column("product_id", sa.Text(), comment="all predictions of this product that were given before `until`"),
        sa.Column("until", _UUID, comment="exclusive; the first id of a millisecond"),
        sa.Column("created_at", _TIME, nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("(prediction_id is null) <> (product_id is null)", name="tombstones_one_subject"),
        sa.CheckConstraint("(product_id is null) = (until is null)", name="tombstones_until"),
        sa.PrimaryKeyConstraint("number", name="tombstones_pkey"),
        comment="what was erased and must not come back from a spool",
    )
    op.create_index("tombstones_prediction_id_idx", "tombstones", ["prediction_id"], unique=True)
    op.create_index("tombstones_product_id_idx", "tombstones", ["product_id"])
    op.create_table(
        "spools",
        sa.Column("spool_id", _UUID, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("seen_at", _TIME, nullable=False, comment="when its process last said that it lives"),
        sa.Column(
            "purged_to", sa.BigInteger(), nullable=False, comment="the last tombstone that it has purged its files of"
        ),
        sa.PrimaryKeyConstraint("spool_id", name="spools_pkey"),
        comment="spools that may hold records; a process that ends with an empty one takes its row away",
    )
    op.create_table(
        "retention",
        sa.Column("one_row", sa.Boolean(), nullable=False, comment="true: there is one row at most"),
        sa.Column("kept_from", _UUID, nullable=False, comment="predictions with smaller ids were dropped"),
        sa.CheckConstraint("one_row", name="retention_one_row"),
        sa.PrimaryKeyConstraint("one_row", name="retention_pkey"),
        comment="how far the dropping of old months has come",
    )
    op.create_index("predictions_product_id_idx", "predictions", ["product_id", "prediction_id"])
    op.create_index(
        "predictions_tries_idx",
        "predictions",
        ["source", "prediction_id"],
        postgresql_where=sa.text("source not in ('api', 'hf', 'v2')"),
    )


def downgrade() -> None:
    """Drop them. What was erased stays erased, unless a spool that was away brings it back."""
    op.drop_index("predictions_tries_idx", "predictions")
    op.drop_index("predictions_product_id_idx", "predictions")
    for table in ("retention", "spools", "tombstones"):
        op.drop_table(table)
