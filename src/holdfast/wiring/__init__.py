"""holdfast.toml and the environment become live objects; the only place that knows every part."""
