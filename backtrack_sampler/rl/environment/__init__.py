"""Going back as a task for reinforcement learning: episodes, rewards, and environments for its libraries."""
