"""What each command of `drift-jobs` does, one file each. Their names, options and help are declared in `__main__`."""
