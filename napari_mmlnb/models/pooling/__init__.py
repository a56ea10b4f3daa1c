"""Multiple-instance pooling: a bag of tiles to one vector, one method a file."""
