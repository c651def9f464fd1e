"""Providers translate: a request to bytes, bytes to a response or a fault. Pure; nothing here waits or sends."""

from brimline.providers.base import PROVIDERS, Provider, StreamingProvider, StreamReader, find_provider

__all__ = ["PROVIDERS", "Provider", "StreamReader", "StreamingProvider", "find_provider"]
