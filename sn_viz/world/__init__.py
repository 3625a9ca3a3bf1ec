"""The drawn world whose truth is known, and the questions asked about it."""
