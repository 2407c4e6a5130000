"""What a fit found on its way, and which of its evaluations is the best."""

from sentiment_train.fitting.recipe import Judge

Entry = dict[str, float]


class History:
    """The learning curve of a fit that ends after `patience` evaluations without a better one (0: never)."""

    def __init__(self, patience: int, judge: Judge) -> None:
        """Hold nothing yet."""
        self._patience = patience
        self._judge = judge
        self.entries: list[Entry] = []
        """Each with step and epoch: of a report with loss, of an evaluation with eval_loss, eval_accuracy and
        eval_macro_f1."""

    @property
    def evaluations(self) -> list[Entry]:
        """The entries that are evaluations."""
        return [entry for entry in self.entries if "eval_loss" in entry]

    @property
    def best(self) -> Entry:
        """The best evaluation, the earliest of equal ones; there must be one."""
        if self._judge == "loss":
            return min(self.evaluations, key=lambda entry: entry["eval_loss"])
        return max(self.evaluations, key=lambda entry: entry["eval_macro_f1"])

    @property
    def kept(self) -> Entry:
        """The evaluation of the model that is kept: the best one where there is patience, otherwise the last."""
        return self.best if self._patience else self.evaluations[-1]

    @property
    def is_stale(self) -> bool:
        """Whether patience is at its end."""
        evaluations = self.evaluations
        return bool(self._patience and evaluations) and (
            len(evaluations) - 1 - evaluations.index(self.best) >= self._patience
        )
