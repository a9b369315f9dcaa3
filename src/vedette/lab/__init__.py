"""Virtual machines, wires, real servers and clients for trying a spec on real kernels."""
