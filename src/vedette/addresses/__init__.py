"""Virtual addresses: on the interface, behind the gate, announced to the neighbours."""
