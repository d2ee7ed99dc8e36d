"""Training: items under conditions to a checkpoint that `cpbench run --model OUT` takes as it stands.

train(config, watch) -> Path       stages on transformers' Trainer, the questions worded by `conditions.present`
load_config(source, ...)           a YAML file, or a packaged configuration by name
"""

from cpbench.training.config import Sizes, Stage, TrainConfig, load_config
from cpbench.training.train import train

__all__ = ["Sizes", "Stage", "TrainConfig", "load_config", "train"]
