"""Azure OpenAI: OpenAI's dialect under Azure's paths, in both of its forms.

Below a resource (`https://<resource>.openai.azure.com`) the model is a deployment in the path, and the version of the API
a parameter of the query. Below `/openai/v1` everything is as at OpenAI.
"""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from brimline.providers.openai_chat import OpenAIChat
from brimline.types import Secret

VERSION = "2024-02-01"
"""The version of the API where nothing else is said, as in prompto."""


class AzureOpenAI(OpenAIChat):
    """OpenAI's dialect at Azure.

    Args:
        options: `api_version`, and where the endpoint is.
    """

    OPTIONS = OpenAIChat.OPTIONS | {"api_version", "base_url"}

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        super().__init__(options)
        path = urlsplit(self._options.get("base_url", "")).path.rstrip("/")
        self._is_v1 = path.endswith("/v1")
        self._prefix = "" if path.endswith("/openai") else "/openai"
        self._version = quote(self._options.get("api_version") or VERSION, safe="")

    def headers(self, key: Secret | None) -> dict[str, str]:
        """Return the credential: a key, or a token of Microsoft Entra, which is a JSON web token."""
        if key is None or (key.reveal().startswith("eyJ") and key.reveal().count(".") == 2):
            return super().headers(key)
        return {**super().headers(None), "api-key": key.reveal()}

    def _path(self, model: str, path: str) -> str:
        if self._is_v1:
            return path
        return f"{self._prefix}/deployments/{quote(model, safe='')}{path}?api-version={self._version}"
