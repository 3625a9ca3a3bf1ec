"""Sites of the vision tower, one file each: what its blocks hold, averaged over the patches of the picture.

They are read before the language model begins, and the tower never sees the question.
"""

# The order in which people meet them; files dropped into this folder follow in the order of their names.
from sn_viz.activations.sites.tower import residual, mlp_neuron  # noqa: F401, I001
