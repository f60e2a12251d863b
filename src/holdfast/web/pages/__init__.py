"""The dashboard: pages rendered here, made livelier by htmx where there is JavaScript."""
