"""``holdfast alerts`` and the metrics of one-shot runs, as a person and node_exporter meet them."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.acceptance.program import PROGRAM, Site
from tests.servers.receiver import Receiver, receiver

MARKER = "s3cr3t-marker-value"


@pytest.fixture
def web() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, web: Receiver) -> Site:
    """A site with a good channel, ``ops``, and one that answers 500 as often as it is told to."""
    made = Site(tmp_path / "site")
    made.fill(rows=20, files=2)
    made.init()
    made.environ |= {"OPS_URL": f"{web.url}/{MARKER}", "OPS_SECRET": "signing key"}
    with (made.folder / "holdfast.toml").open("a") as file:
        file.write(
            '\n[alerts]\ntextfile = "metrics/holdfast.prom"\n'
            '[alerts.channels.ops]\nkind = "webhook"\nurl = "env:OPS_URL"\nsecret = "env:OPS_SECRET"\n'
        )
    return made


@contextlib.contextmanager
def daemon(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([PROGRAM, "daemon"], cwd=site.folder, env=site.environ, stderr=subprocess.PIPE)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()


def metrics(site: Site) -> dict[tuple[str, str], float]:
    text = (site.folder / "metrics/holdfast.prom").read_text()
    return {
        (sample.name, sample.labels.get("source", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_test_message_arrives_signed_or_says_why_not_without_the_url(site: Site, web: Receiver) -> None:
    """Status 1 and the status of the answer when the receiver refuses; an unknown channel is a usage error."""
    good = site.run("alerts", "test")
    assert (good.status, good.out) == (0, "ops: delivered\n"), good
    assert json.loads(web.requests[0].body)["kind"] == "test"
    assert web.requests[0].headers["Holdfast-Signature"].startswith("v1=")
    web.answers = [500]
    bad = site.run("alerts", "test", "ops", "--json")
    assert bad.status == 1
    (told,) = bad.document["channels"]
    assert (told["name"], told["delivered"], told["error"]["why"]) == ("ops", False, "it answered 500")
    assert MARKER not in bad.out + bad.err
    assert site.run("alerts", "test", "nobody").status == 2
    unset = site.run("alerts", "test", OPS_URL=None)
    assert unset.status == 1
    assert "OPS_URL" in unset.out


def test_an_open_alert_can_be_taken_care_of_and_muted(site: Site, web: Receiver) -> None:
    """A daemon finds it; people say so, and it stays open until its cause is gone."""
    assert site.run("alerts", "list").out == "no alert is open\n"
    with daemon(site):
        until = time.monotonic() + 60
        while not web.requests:
            assert time.monotonic() < until
            time.sleep(0.1)
    told = json.loads(web.requests[0].body)
    assert told["kind"] == "alert"
    listed = site.ok("alerts", "list")["alerts"]
    assert {each["key"] for each in told["facts"]["alerts"]} <= {each["key"] for each in listed}
    key = next(each["key"] for each in listed if each["finding"]["source"] == "notes")
    assert site.ok("alerts", "ack", key)["acknowledged_by"]
    assert site.ok("alerts", "mute", key, "--for", "4h")["muted_until"] > listed[0]["since"]
    shown = site.run("alerts", "list").out
    assert re.search(rf"{re.escape(key)}, since .* takes care of it, muted until ", shown)
    assert site.run("alerts", "mute", key, "--for", "never").status == 2
    refused = site.run("alerts", "ack", "nothing:here")
    assert refused.status == 2
    assert key in refused.err


def test_metrics_are_written_after_each_run_also_after_one_that_failed(site: Site) -> None:
    """A one-shot backup from cron is watched like a daemon."""
    assert site.run("backup").status == 0
    found = metrics(site)
    assert found["holdfast_up", ""] == 1
    assert found["holdfast_source_snapshots", "notes"] == 1
    assert found["holdfast_source_last_run_failed", "notes"] == 0
    assert ("holdfast_repository_checked_timestamp_seconds", "") not in found
    assert site.run("check", "--read-data=100%").status == 0
    assert metrics(site)["holdfast_repository_checked_timestamp_seconds", ""] > time.time() - 60
    site.database.rename(site.folder / "away")
    assert site.run("backup").status != 0
    assert metrics(site)["holdfast_source_last_run_failed", "notes"] == 1
    (site.folder / "backups").rename(site.folder / "unmounted")
    assert site.run("backup").status != 0
    blind = metrics(site)
    assert blind["holdfast_up", ""] == 0
    assert ("holdfast_source_snapshots", "notes") not in blind


def test_metrics_that_cannot_be_written_fail_no_backup(site: Site) -> None:
    """They are a warning."""
    (site.folder / "metrics").write_text("a file where a folder should be")
    done = site.run("backup")
    assert done.status == 0
    assert "the metrics were not written" in done.err
