"""Pure functions of samples: two-sample tests, multiplicity, estimates. They know nothing of windows or tables."""
