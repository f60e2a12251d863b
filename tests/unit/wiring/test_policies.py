"""Policies: what a source says wins over its tier, and that over the defaults."""

from __future__ import annotations

import tomllib
from datetime import timedelta

from holdfast.model.keeping import KeepRules
from holdfast.wiring.policies import policy_of
from holdfast.wiring.shapes import settings_of

_TEXT = """
repository = { url = "./backups" }
[defaults]
tier = "supporting"
timezone = "Europe/Vienna"
keep = { last = 30 }
health = { max_age = "48h", min_count = 5 }
[tiers.critical]
rpo = "30m"
schedules = [{ every = "30m" }]
[sources.shop]
url = "sqlite:/shop.db"
tier = "critical"
health = { max_age = "1h" }
[sources.blog]
url = "files:/blog"
keep = { within = "30d" }
environment = "preview"
schedules = [{ name = "night", cron = "20 4 * * *" }, { cron = "0 14 * * *", timezone = "UTC" }]
"""


def test_the_nearest_word_counts_for_each_setting() -> None:
    """A source's own word, else its tier's, else the defaults'."""
    settings = settings_of(tomllib.loads(_TEXT))
    shop, blog = policy_of(settings, "shop"), policy_of(settings, "blog")
    assert (shop.rpo, shop.rto) == (timedelta(minutes=30), timedelta(hours=1))
    assert (shop.health.max_age, shop.health.min_count) == (timedelta(hours=1), 5)
    assert (shop.keep, blog.keep) == (KeepRules(last=30), KeepRules(within=timedelta(days=30)))
    assert (blog.tier, blog.rpo, blog.environment) == ("supporting", timedelta(hours=24), "preview")
    assert [(each.key, each.zone) for each in blog.schedules] == [("blog/night", "Europe/Vienna"), ("blog/2", "UTC")]
    assert [each.every for each in shop.schedules] == [timedelta(minutes=30)]
