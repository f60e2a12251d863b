"""The HTTP face: an API for programs and a dashboard for people, over one service."""
