"""Changed backward rules: what other methods put in the place of a function's derivative."""
