"""Build and launch the app; a Hugging Face Space starts here."""

import os
import sys

# Threads that wait by spinning make a shared machine many times slower; this must be said before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from sn_viz.errors import UserError
from sn_viz.ui.page import build
from sn_viz.ui.server.launch import launch, port_of_environment


def main() -> None:
    """Serve the page as the environment says; a mistake in it is told in one sentence."""
    try:
        port = port_of_environment()
        launch(build(model=os.environ.get("SN_VIZ_MODEL")), port=port)
    except UserError as error:
        print(f"sn_viz: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
