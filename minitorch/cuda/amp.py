"""The older place of `amp`, with "cuda" as the device."""

from __future__ import annotations

import functools

from .. import amp

__all__ = ["GradScaler", "autocast"]


class autocast(amp.autocast):
    """`amp.autocast` for "cuda": changes nothing."""

    def __init__(self, enabled: bool = True, dtype: object = None, cache_enabled: bool = True) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


GradScaler = functools.partial(amp.GradScaler, "cuda")
