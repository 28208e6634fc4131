"""HCQNet in PyTorch: the model that is trained, and the twin that the engine is measured against."""

from .config import Config, ConfigError
from .hcqnet import HCQNet, Prediction
from .weights import WeightsError, load, save

__all__ = ["Config", "ConfigError", "HCQNet", "Prediction", "WeightsError", "load", "save"]
