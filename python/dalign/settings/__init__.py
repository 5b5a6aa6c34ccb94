"""The config file and `--set` overrides: read into the schema of `config`, checked, and written."""

from dalign.settings.load import changed_keys, check_paths, hub_hint, load_config
from dalign.settings.toml import commented_toml, dump_toml

__all__ = ["changed_keys", "check_paths", "commented_toml", "dump_toml", "hub_hint", "load_config"]
