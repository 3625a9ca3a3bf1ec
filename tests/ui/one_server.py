"""What a server keeps, as the tests of handlers hand it to them."""

from sn_viz.ui.server.state import new_server

SERVER = new_server()
