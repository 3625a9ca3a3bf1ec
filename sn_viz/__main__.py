"""``python -m sn_viz``: hands over to the command line."""

from sn_viz.cli import run

if __name__ == "__main__":
    run()
