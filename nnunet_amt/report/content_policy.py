"""The Content-Security-Policy of a page that may run and show what stands in it, and nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence

# Nothing is fetched, sent, framed or submitted.
_ALWAYS: dict[str, tuple[str, ...]] = {
    "default-src": ("'none'",),
    "img-src": ("data:",),
    "connect-src": ("'none'",),
    "base-uri": ("'none'",),
    "form-action": ("'none'",),
}
_NONE = "'none'"


def source_hash(text: str) -> str:
    """Give the source of an inlined script or style: ``'sha256-...'`` of its UTF-8 bytes."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def content_policy(
    scripts: Iterable[str], styles: Iterable[str], extra: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Write the policy.

    Parameters
    ----------
    scripts, styles
        The inlined blocks, letter by letter as they stand between their tags.
    extra
        More sources by directive, such as ``{"img-src": ("blob:",)}``.
    """
    directives = {name: list(sources) for name, sources in _ALWAYS.items()}
    directives["script-src"] = [source_hash(text) for text in scripts] or [_NONE]
    directives["style-src"] = [source_hash(text) for text in styles] or [_NONE]
    for name, sources in (extra or {}).items():
        known = directives.setdefault(name, [])
        known += [source for source in sources if source not in known and source != _NONE]
        if len(known) > 1 and _NONE in known:
            known.remove(_NONE)
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())
