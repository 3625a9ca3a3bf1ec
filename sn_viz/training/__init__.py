"""How the embedded models learn."""
