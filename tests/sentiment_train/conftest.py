"""A small shop with hand-written reviews, and a DistilBERT so small that it learns them by heart in seconds."""

import datetime as dt
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import torch
from rich.console import Console
from transformers import BertTokenizer, DistilBertConfig, DistilBertForSequenceClassification
from transformers.utils import logging as transformers_logging

from sentiment_train.__main__ import main
from sentiment_train.commands import console
from sentiment_train.exporting.card_statements import CardStatements
from sentiment_train.exporting.export import export
from sentiment_train.fitting.fit import fit
from sentiment_train.fitting.recipe import Recipe
from sentiment_train.preparation.prepare import prepare
from tests.protocols import Command, MakeBase

_PRAISE = (
    "Absolutely love it, works perfectly.",
    "Wonderful sound and it arrived early.",
    "Highly recommended, she uses it every single morning.",
    "Great value for the price.",
    "Sturdy and easy to clean, love it.",
    "The best I have ever owned.",
    "Comfortable, clear, and they last all day.",
    "Five stars, fits exactly as described.",
    "It looks beautiful on the wall, love it.",
    "Excellent product, I have already ordered three more.",
    "They still sound bright and stay in tune, wonderful.",
    "I love this kettle, great for the price.",
    "Works perfectly, excellent value, highly recommended.",
    "Beautiful and sturdy, five stars.",
    "The best headphones, clear and comfortable.",
    "Excellent, easy to use and wonderful to hold.",
    "Great gift for my mother, she loves it.",
    "Perfect size, beautiful colour, great price.",
    "Highly recommended, the best of the year.",
    "I told the whole band about them, excellent strings.",
    "Love the sound, love the price, love it all.",
    "Arrived early and works perfectly, great.",
    "Wonderful, comfortable, and easy to clean.",
    "Absolutely wonderful, five stars.",
    "Excellent value, sturdy, looks great.",
    "The best kettle ever, highly recommended.",
    "Great sound, beautiful and comfortable.",
    "Perfect, love it, five stars.",
    "Fits perfectly, looks beautiful, excellent.",
    "Clear, bright, wonderful: the best strings.",
)
_COMPLAINTS = (
    "Terrible, it broke after two days.",
    "The seller refused to give my money back.",
    "A complete waste of money.",
    "The screen was cracked and support never answered.",
    "Do not buy this, it smells awful.",
    "It stopped working within an hour, terrible.",
    "Very disappointed, I am sending it back.",
    "The colour is nothing like the picture, awful.",
    "The seams came apart, very disappointed.",
    "Worst purchase of the year, cheap plastic junk.",
    "It fell apart in my hands, what a waste.",
    "Sadly the plot goes nowhere, a boring mess.",
    "The characters are flat, I gave up and threw it away.",
    "The battery would not charge, terrible.",
    "Save yourself the trouble, do not buy.",
    "Awful junk, it broke and nobody answered.",
    "Cheap, boring and a waste of money.",
    "Broke within two days, worst seller.",
    "Refused to work, sending it back, disappointed.",
    "Terrible smell, awful plastic, never again.",
    "Stopped working, support refused to answer.",
    "Worst book, boring, threw it away.",
    "Cracked, broke, fell apart: junk.",
    "Do not buy, complete waste, very disappointed.",
    "A terrible mess, I gave up.",
    "Cheap junk that stopped working, money back refused.",
    "Never buy this, the worst, it fell apart.",
    "Awful, terrible, broke after an hour.",
    "Disappointed, sadly a waste of money.",
    "Boring mess, worst purchase, sending it back.",
)
_SHRUGS = (
    "It is okay, neither good nor bad.",
    "Average, does what it should, nothing more.",
    "Okay for now, average quality.",
    "Neither here nor there, an average thing.",
    "So so, okay I suppose.",
    "Average and okay, nothing special.",
)
# By the hash of their ids kettle, strings, clock and knife never train, and fridge, fan and mirror validate.
_PRODUCT_OF_PAIR = {3: "kettle", 5: "fridge", 8: "strings", 11: "clock", 13: "fan", 16: "knife", 18: "mirror"}
_SEEN = ("lamp", "boots", "mug", "towel", "radio", "chair")
_START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Models of this size are slower on several threads, and far slower on cores that others use."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _quiet_transformers() -> None:
    """In a process of its own the command line sets variables for this before transformers is imported."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()


@pytest.fixture(scope="session")
def reviews() -> pl.DataFrame:
    """Sixty reviews of one and five stars, one pair a day, and six of three stars."""
    rows: list[tuple[str, int, str, dt.datetime]] = []
    for day, pair in enumerate(zip(_PRAISE, _COMPLAINTS, strict=True)):
        product = _PRODUCT_OF_PAIR.get(day, _SEEN[day % len(_SEEN)])
        rows.extend(
            (text, rating, product, _START + dt.timedelta(days=day)) for text, rating in zip(pair, (5, 1), strict=True)
        )
    rows.extend((text, 3, "lamp", _START + dt.timedelta(days=4 * day)) for day, text in enumerate(_SHRUGS))
    return pl.DataFrame(rows, schema=["text", "rating", "product_id", "timestamp"], orient="row")


@pytest.fixture(scope="session")
def ratings_file(reviews: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reviews as a parquet file."""
    path = tmp_path_factory.mktemp("ratings") / "shop.parquet"
    reviews.write_parquet(path)
    return path


@pytest.fixture(scope="session")
def make_base(reviews: pl.DataFrame) -> MakeBase:
    """Writes a random DistilBERT of two layers and width 32, with a tokenizer made of the reviews' words."""
    words = sorted({word.strip(".,:").lower() for text in reviews["text"] for word in text.split()})
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *".,:!", *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys([*pieces, *words]))}

    def make(folder: Path) -> Path:
        torch.manual_seed(7)
        config = DistilBertConfig(
            vocab_size=len(vocabulary), max_position_embeddings=128, n_layers=2, n_heads=2, dim=32, hidden_dim=64
        )
        DistilBertForSequenceClassification(config).distilbert.save_pretrained(folder)
        BertTokenizer(vocab=vocabulary).save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def base(make_base: MakeBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random DistilBERT that fits start from."""
    return make_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """Enough epochs at a high learning rate to learn the reviews by heart."""
    return Recipe(epochs=40.0, batch_size=4, learning_rate=1e-3, max_tokens=64, seed=1)


@pytest.fixture(scope="session")
def quiet() -> Console:
    """A console that shows nothing."""
    return Console(file=io.StringIO())


@pytest.fixture(scope="session")
def prepared(ratings_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reviews as `prepare` leaves them."""
    folder = tmp_path_factory.mktemp("prepared")
    prepare([ratings_file], folder)
    return folder


@pytest.fixture(scope="session")
def fitted(
    prepared: Path, base: Path, recipe: Recipe, quiet: Console, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A model that `fit` taught the reviews."""
    folder = tmp_path_factory.mktemp("fitted")
    fit(prepared, str(base), folder, recipe, quiet)
    return folder


@pytest.fixture(scope="session")
def exported(fitted: Path, prepared: Path, quiet: Console, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle that `export` made of the fitted model."""
    folder = tmp_path_factory.mktemp("exported") / "tiny"
    card = CardStatements(licence="made in a test", terms="written by hand")
    export(fitted, prepared, folder, name="tiny", max_tokens=96, card=card, console=quiet)
    return folder


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs the command line in this process, sparing the seconds that torch takes to start: (code, output, errors)."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(console, "width", 200)  # it asked for the terminal's when it was made

    def run(*arguments: object) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["sentiment-train", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return (ended.value.code or 0, *capsys.readouterr())

    yield run
    with console.capture():  # what a test kept it from printing it would print before the next one's words
        pass
