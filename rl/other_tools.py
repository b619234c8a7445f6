"""What other tools call our keys. Imports nothing."""

OTHER_NAMES = {
    # CleanRL's dqn_atari.py and Stable-Baselines3
    "total_timesteps": "--iterations, each of --training_steps",
    "n_timesteps": "--iterations, each of --training_steps",
    "env_id": "--game",
    "env": "--game",
    "buffer_size": "--replay_capacity",
    "learning_starts": "--warm_up",
    "train_frequency": "--update_every",
    "train_freq": "--update_every",
    "target_network_frequency": "--target_every, in agent steps",
    "target_update_interval": "--target_every, in agent steps",
    "start_e": "--epsilon_final; epsilon starts at 1",
    "end_e": "--epsilon_final",
    "exploration_initial_eps": "--epsilon_final; epsilon starts at 1",
    "exploration_final_eps": "--epsilon_final",
    "exploration_fraction": "--epsilon_steps, a number of agent steps",
    "capture_video": "`wdbench watch RUN`, after the first checkpoint",
    "cuda": "--device cuda",
    "track": "TensorBoard events, which every run writes",
    "algo": "`run rl`, which is DQN",
    "eval_freq": "--training_steps, behind which an agent is evaluated",
    "eval_episodes": "--evaluation_steps, in agent steps",
    "n_eval_episodes": "--evaluation_steps, in agent steps",
    # Dopamine's gin files
    "game_name": "--game",
    "sticky_action_probability": "--sticky_actions",
    "num_iterations": "--iterations",
    "update_horizon": "--n_step",
    "min_replay_history": "--warm_up",
    "update_period": "--update_every",
    "target_update_period": "--target_every, in agent steps",
    "epsilon_train": "--epsilon_final",
    "epsilon_eval": "--evaluation_epsilon",
    "epsilon_decay_period": "--epsilon_steps",
    "max_steps_per_episode": "--max_episode_steps",
    # what all have
    "lr": "--learning_rate",
    "wd": "--weight_decay, with a --scheme",
    "steps": "--iterations, each of --training_steps",
}
"""Their name, with underscores, to how the same is said here."""
