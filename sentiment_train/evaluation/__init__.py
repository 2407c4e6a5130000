"""How good a model is: answers, figures with intervals, slices, pictures, and a page. `evaluate` is the story."""
