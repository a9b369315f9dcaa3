"""The safety core: who lives and who holds. Sans-IO, but for `transport`."""
