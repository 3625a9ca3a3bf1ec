"""Reading a model: which tensors (sites), one pass that keeps every neuron, the store on disk."""
