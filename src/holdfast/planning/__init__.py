"""Decisions without side effects: model values in, model values out; no clock, no input or output."""
