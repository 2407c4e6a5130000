"""From token ids to scores: admission by capacity, lanes, batches, the result cache. What a model is, is in `model`."""
