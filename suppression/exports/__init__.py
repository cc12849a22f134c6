"""What leaves the system as a file: which rows, in which format, with a signed manifest beside it."""
