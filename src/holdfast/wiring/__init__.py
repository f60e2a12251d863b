"""holdfast.toml and the environment become live objects; the only place that knows every part."""

import os

# pydantic would otherwise search every installed package for plug-ins, which costs more than reading the settings.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
