"""The shadow model: scores a share of customers' texts after their replies, in a process of its own.

Its answers go to the table `shadow_predictions` and to nobody.

`scoring` is the other process, `process` is this one's hold on it, `comparison` decides what is scored and when.
"""
