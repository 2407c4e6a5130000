"""The training command line: ratings in, a model bundle out."""
