"""Configuration: where models answer, what is allowed, how a run behaves; flags over environment over files."""

from brimline.config.config import Config
from brimline.config.endpoints import Endpoint
from brimline.config.limits import LimitRule, ModelLimits
from brimline.config.load import load_config
from brimline.config.place import Place
from brimline.config.run import RunSettings

__all__ = ["Config", "Endpoint", "LimitRule", "ModelLimits", "Place", "RunSettings", "load_config"]
