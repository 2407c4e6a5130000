"""Several files with the same columns as one table: the parts of a folder, the members of a zip."""

from collections.abc import Iterator, Sequence
from typing import Any

from sentiment_api.review_files.readers.inputs import category_of
from sentiment_api.review_files.tables import CellBatch, ReviewTable


def chained(tables: Sequence[ReviewTable], name: str) -> list[ReviewTable]:
    """Return the tables, those with the same columns as one."""
    groups: dict[frozenset[str], list[ReviewTable]] = {}
    for table in tables:
        groups.setdefault(frozenset(table.columns), []).append(table)
    return [group[0] if len(group) == 1 else ChainedTable(group, name) for group in groups.values()]


class ChainedTable:
    """The rows of several tables, one after the other; each counts its own. What holds them names their category."""

    def __init__(self, tables: Sequence[ReviewTable], name: str) -> None:
        self.name, self.category, self.columns = f"{name}: {len(tables)} files", category_of(name), tables[0].columns
        self._tables = tables

    @property
    def form(self) -> dict[str, Any]:
        """See `ReviewTable`."""
        return self._tables[0].form | {"files": [table.name for table in self._tables]}

    def batches(self, columns: Sequence[str]) -> Iterator[CellBatch]:
        """See `ReviewTable`."""
        for place, table in enumerate(self._tables):
            for batch in table.batches(columns):
                yield batch._replace(share=(place + batch.share) / len(self._tables))
