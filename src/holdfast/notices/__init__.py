"""Telling people and machines outside: mail, chat, webhooks, pings, Sentry. Knows how to send, never when."""
