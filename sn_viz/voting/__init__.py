"""From stumps to a vote: the classifier, which exit to take, intervals."""
