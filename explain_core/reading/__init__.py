"""What a reader study shows: cases as films, and every explanation of them, computed before anybody reads."""
