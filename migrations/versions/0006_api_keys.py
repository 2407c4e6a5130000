"""API keys, hashed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: a table that earlier releases do not know."""
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text(), nullable=False, comment="the part of a key that is no secret"),
        sa.Column("name", sa.Text(), nullable=False, comment="stands in logs and in predictions.api_key_name"),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the 256-bit random secret"),
        sa.Column(
            "scopes",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            comment="of predict, feedback, read, metrics and admin, which holds the others",
        ),
        sa.Column("tokens_per_minute", sa.Integer(), comment="null is no limit"),
        sa.Column("bucket", sa.Double(), comment="tokens left of the limit at bucket_at; null is full"),
        sa.Column("bucket_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("expires_at", sa.DateTime(timezone=True), comment="null is never"),
        sa.Column("revoked_at", sa.DateTime(timezone=True), comment="null while it lives"),
        sa.PrimaryKeyConstraint("key_id", name="api_keys_pkey"),
        comment="who may ask the service, and for what",
    )
    op.create_index(
        "api_keys_living_name_idx", "api_keys", ["name"], unique=True, postgresql_where=sa.text("revoked_at IS NULL")
    )


def downgrade() -> None:
    """Drop it: the keys are gone, and clients need new ones after the next upgrade."""
    op.drop_table("api_keys")
