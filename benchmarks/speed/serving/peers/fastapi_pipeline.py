"""FastAPI and a transformers pipeline, one text at a time: what most people write first.

MODEL=folder python -m uvicorn benchmarks.speed.serving.peers.fastapi_pipeline:app
"""

import os

from fastapi import FastAPI
from pydantic import BaseModel
from transformers import pipeline

app = FastAPI()
classifier = pipeline("text-classification", model=os.environ["MODEL"], truncation=True)


class Review(BaseModel):
    """What is asked."""

    text: str


class SentimentReply(BaseModel):
    """What is answered."""

    label: str
    score: float


@app.post("/predict")
def predict(review: Review) -> SentimentReply:
    """Classify one text in a thread of FastAPI's pool."""
    return SentimentReply(**classifier(review.text)[0])
