"""Going back as a task for reinforcement learning: episodes, rewards, and environments for gymnasium and stable-baselines3."""
