"""What a policy is worth, measured by the benchmark suite: beside all controls, on prompts it was not trained on."""
