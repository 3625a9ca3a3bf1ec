"""The hidden neurons of the vision tower's MLPs."""

from sn_viz.activations.sites import TOWER_SITES
from sn_viz.activations.sites.mlp_neuron import MlpNeuron


class TowerMlpNeuron(MlpNeuron):
    """The hidden neurons of the tower block's MLP, after the activation, averaged over patches."""

    name = "tower-mlp-neuron"


TOWER_SITES.register("tower-mlp-neuron")(TowerMlpNeuron())
