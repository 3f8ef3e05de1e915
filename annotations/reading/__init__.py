"""Reader studies: set-up, worklist, two locked steps, amendments, and what comes out."""
