"""What DQN on Atari adds to a report."""
