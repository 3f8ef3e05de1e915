"""One file for each change, oldest first; none is ever edited once it was released."""
