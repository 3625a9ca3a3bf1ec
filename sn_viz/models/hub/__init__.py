"""Models of the hub: their names, which of their files are here, and fetching them. Start at ``obtain``."""
