"""The Read page: a worklist, a step with its films and its form, and what was signed."""
