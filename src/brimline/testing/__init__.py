"""What tests need and nothing else imports: a virtual clock, scripted endpoints, strategies, and what providers promise."""

from brimline.testing.contract import ProviderContract, http_reply

__all__ = ["ProviderContract", "http_reply"]
