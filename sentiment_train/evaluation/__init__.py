"""How good one model is: answers, figures with intervals, slices, pictures and a page. `evaluate` is the story.

Which of two models is better is decided in `comparison`.
"""
