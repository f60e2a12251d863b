"""A sample application to try holdfast on: events, venues, people, registrations, payments, media, configuration.

``generate`` builds it, ``live_on`` lets a day pass, ``disaster`` wrecks it, ``fingerprint`` and ``compare`` tell
whether it is what it was, to the row and byte. Everything follows from a seed; nothing here knows of backups.
"""

from holdfast.usecases.demo.disaster import disaster
from holdfast.usecases.demo.fingerprint import Difference, Fingerprint, compare, fingerprint
from holdfast.usecases.demo.life import live_on
from holdfast.usecases.demo.making import DATABASE, generate

__all__ = ["DATABASE", "Difference", "Fingerprint", "compare", "disaster", "fingerprint", "generate", "live_on"]
