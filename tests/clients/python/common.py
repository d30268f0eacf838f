"""Where the broker is and how to log in, read from the environment; shared by the programs of this folder."""

import json
import os
import sys

BOOTSTRAP = os.environ["BOOTSTRAP"]
TOPIC = os.environ.get("TOPIC", "")
GROUP = os.environ.get("GROUP", "")
CONNECTION_STRING = os.environ.get("CONNECTION_STRING", "")
CA_FILE = os.environ.get("CA_FILE", "")


def librdkafka(**more):
    """Settings of a librdkafka client; a setting's dots are underscores here."""
    settings = {"bootstrap.servers": BOOTSTRAP}
    if CONNECTION_STRING:
        settings |= {
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": CA_FILE,
            "sasl.mechanism": "PLAIN",
            "sasl.username": "$ConnectionString",
            "sasl.password": CONNECTION_STRING,
        }
    settings |= {name.replace("_", "."): value for name, value in more.items()}
    return settings


def event_hubs(**more):
    """The client settings that Event Hubs' documentation recommends."""
    return librdkafka(
        metadata_max_age_ms=180000,
        connections_max_idle_ms=180000,
        socket_keepalive_enable=True,
    ) | {name.replace("_", "."): value for name, value in more.items()}


def event(name, **facts):
    """Tells the scenario what happened, as one line of JSON."""
    print(json.dumps({"event": name, **facts}), flush=True)


def expect(condition, message):
    if not condition:
        print(f"expectation failed: {message}", file=sys.stderr, flush=True)
        sys.exit(1)


def ok():
    print("ok", flush=True)
