"""The drift job: judges a window of predictions against a reference, and keeps the verdict with its report."""
