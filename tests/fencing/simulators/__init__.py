"""Simulators of fencing devices that we did not write, each switching a real process."""
