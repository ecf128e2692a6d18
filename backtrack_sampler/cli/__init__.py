"""The command `backtrack-sampler`."""
