"""Alarms that nobody was told of yet, and what a stored floor is not."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_FLOOR = "the larger of the practical floor and the quantile"
_FLOOR_TO_READ = "no run is judged by it: the larger of the practical floor and the quantile"
_ERRORS = "the same of the effect in its standard errors"
_ERRORS_APPLIED = "the same of the effect in its standard errors; times its own standard error it is a run's floor"


def upgrade() -> None:
    """Expand: earlier releases store runs of which no notice is due."""
    op.add_column(
        "drift_runs",
        sa.Column(
            "notice_due",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="an alarm that no receiver has taken yet",
        ),
    )
    _comment_floors(_FLOOR, _FLOOR_TO_READ, _ERRORS, _ERRORS_APPLIED)


def downgrade() -> None:
    """Drop it: what was due is not posted any more."""
    _comment_floors(_FLOOR_TO_READ, _FLOOR, _ERRORS_APPLIED, _ERRORS)
    op.drop_column("drift_runs", "notice_due")


def _comment_floors(floor: str, new_floor: str, errors: str, new_errors: str) -> None:
    for name, old, new in (("floor", floor, new_floor), ("errors", errors, new_errors)):
        op.alter_column(
            "drift_floors",
            name,
            comment=new,
            existing_comment=old,
            existing_type=sa.Double(),
            existing_nullable=False,
        )
