"""A model of one's own behind an OpenAI-compatible server: a function, or a pipeline of transformers."""

from brimline.local.models import Answer, LocalModel, Prompt, load_model
from brimline.local.server import serve

__all__ = ["Answer", "LocalModel", "Prompt", "load_model", "serve"]
