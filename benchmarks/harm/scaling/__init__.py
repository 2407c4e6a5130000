"""Several replicas behind a proxy: whether one can stop or die unnoticed, and whether the model should be one of them.

`cases` says what happens to the replicas, `proxy` runs nginx with the shipped configuration and reads its log.
`comparison` measures the `shapes`: the model in each process, or as a process of its own.
"""
