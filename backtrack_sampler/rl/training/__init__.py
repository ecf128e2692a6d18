"""Training a policy: one YAML file, one folder a run, which goes on where it was whatever has ended it."""
