"""Whether one model may replace another. `compare` is the story, `verdict` the rules."""
