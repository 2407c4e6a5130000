"""All SQL of the drift job, and the reference file of the bundle. Nothing is decided here but which rows count."""
