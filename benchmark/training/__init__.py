"""Training: items under conditions to a checkpoint that `cpbench run --model OUT` takes as it stands.

train(config, watch, stop) -> Path     stages on transformers' Trainer, the questions worded as in a run
load_config(source, ...)               a YAML file, or a packaged configuration by name
default_config(base, encoder)          the packaged configuration for what is trained
give_up(folder)                        forget the training that a folder holds
"""

from cpbench.training.config import Sizes, Stage, TrainConfig, default_config, load_config
from cpbench.training.folder import give_up
from cpbench.training.train import train

__all__ = ["Sizes", "Stage", "TrainConfig", "default_config", "give_up", "load_config", "train"]
