"""An HTTP GET, as the kubelet makes it."""

import json
import urllib.error
import urllib.request
from typing import Any

PATIENCE_S = 60.0


def get(port: int, path: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
