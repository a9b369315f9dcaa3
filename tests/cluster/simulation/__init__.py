"""The cluster core on virtual time: machines, kernels, clocks, links and faults from one seed.

Everything that happens is drawn from one ``random.Random(seed)``, so that a seed is a run. Safety is checked
against ground truth: what the simulated kernels answer for, not what the cores believe.
"""
