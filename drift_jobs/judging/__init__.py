"""From two frames to a verdict: what is compared, how it is judged, and why it changed. Pure: nothing is read."""
