"""What we measure: one file each, with ``measure(...) -> list of rows`` of plain values, printed by ``python -m sn_viz bench``."""
