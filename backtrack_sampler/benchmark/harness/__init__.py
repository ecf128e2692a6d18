"""lm-evaluation-harness on this package's batch engine: a model for it (`lm`), and its command (`python -m`)."""
