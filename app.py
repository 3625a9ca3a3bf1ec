"""Build and launch the app, as ``sn-viz serve`` does without options; a Hugging Face Space starts here."""

import sys

from sn_viz.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["serve"]))
