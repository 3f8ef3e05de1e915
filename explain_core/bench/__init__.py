"""What explanations cost: in passes, against other programs, and as work grows."""
