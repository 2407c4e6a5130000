"""What each command of `drift-jobs` does, one file each, and the options, output and exit codes that they share.

Names, options and help are declared in `drift_jobs.__main__`.
"""
