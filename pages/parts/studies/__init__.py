"""Reader studies on the Campaigns page: computed, set up, opened, watched, and what came out."""
