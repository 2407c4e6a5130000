"""Alembic's entry: runs the migrations on the connection that `sentiment_api.database.schema` hands over."""

from alembic import context

from sentiment_api.database.tables import metadata


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave the monthly partitions out of comparisons: they are made at run time, not by migrations."""
    return not (kind == "table" and name is not None and name.startswith("predictions_"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_name=_is_ours,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
