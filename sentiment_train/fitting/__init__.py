"""Parts and a base checkpoint to a model. `fit` is the story, `training` its loop, `recipe` what can be chosen.

How good the model is on held-out reviews is not measured here but in `evaluation`.
"""
