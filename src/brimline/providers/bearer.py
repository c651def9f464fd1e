"""The headers of dialects whose credential is a bearer's."""

from brimline.types import Secret


def bearer_headers(key: Secret | None) -> dict[str, str]:
    """Return the headers of every request, with the credential if there is one."""
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key.reveal()}"
    return headers
