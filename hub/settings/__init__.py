"""The configuration of a node: ``hub.toml`` + ``HUB_*`` + flags → one frozen object.

Only the command line and ``hub.app`` import this; everything else receives the values it needs.
"""

from hub.errors import ConfigurationError
from hub.settings.load import config_path, load_settings
from hub.settings.model import (
    AppSettings,
    KeysSettings,
    LimitSettings,
    ProviderSettings,
    SectionSettings,
    ServiceSettings,
    SessionSettings,
    Settings,
)
from hub.settings.table import markdown_table, mask
from hub.settings.values import is_loopback, split_bind, write_duration

__all__ = [
    "AppSettings",
    "ConfigurationError",
    "KeysSettings",
    "LimitSettings",
    "ProviderSettings",
    "SectionSettings",
    "ServiceSettings",
    "SessionSettings",
    "Settings",
    "config_path",
    "is_loopback",
    "load_settings",
    "markdown_table",
    "mask",
    "split_bind",
    "write_duration",
]
