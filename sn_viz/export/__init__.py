"""What a run is taken away as: the shortcut, which runs without this package, and a script and a notebook that repeat the run."""
