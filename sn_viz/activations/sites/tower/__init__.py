"""Sites of the vision tower, one file each: what its blocks hold, averaged over the patches of the picture.

They are read before the language model begins, and the tower never sees the question.
"""
