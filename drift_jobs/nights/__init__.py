"""What a night does: which windows it judges, what each is judged by, and who is notified.

How a verdict comes about is in `judging`, all SQL in `storage`. `night` is the story from top to bottom.
"""
