"""Parts and a base checkpoint to a model. `fit` is the story, `training` its loop; `bert_import` makes a base."""
