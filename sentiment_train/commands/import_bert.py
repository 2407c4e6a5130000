"""`import-bert`: a base checkpoint from a BERT."""

from typing import Annotated

import typer

from sentiment_train.commands import NewFolder, console
from sentiment_train.fitting.bert_import import import_bert as import_bert_checkpoint


def import_bert(
    source: Annotated[str, typer.Argument(help="A BERT checkpoint: a folder or a hub name.")],
    out: NewFolder,
) -> None:
    """Re-lay a BERT checkpoint (such as the MiniLM family) as a DistilBERT with equal outputs."""
    model = import_bert_checkpoint(source, out)
    config = model.config
    console.print(f"wrote {out}: a DistilBERT of {config.n_layers} layers, width {config.dim}")
