"""The page's own script, and the policy that lets no other run and nothing leave the page."""

from __future__ import annotations

import base64
import hashlib

import jinja2
from markupsafe import Markup

SCRIPTS = ["scatter.js", "trial.js", "explorer.js"]


def script(environment: jinja2.Environment) -> Markup:
    """The text of the page's script element."""
    assert environment.loader is not None
    parts = [environment.loader.get_source(environment, f"explorer/{name}")[0] for name in SCRIPTS]
    return Markup("\n" + "".join(parts))


def policy(script: str) -> str:
    """A Content-Security-Policy: no request to anywhere, and no script but the one with this text."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = [
        "default-src 'none'",
        "img-src data:",
        "style-src 'unsafe-inline'",
        f"script-src 'sha256-{digest}'",
    ]
    return "; ".join([*parts, "base-uri 'none'", "form-action 'none'"])
