"""What `mmlnb doctor` looks at, one thing a module."""
