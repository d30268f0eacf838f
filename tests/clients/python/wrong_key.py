"""A wrong key is refused as an authentication failure. With `keep`, the connection string is itself wrong."""

import re
import sys
import time

from confluent_kafka import Producer

from common import CONNECTION_STRING, expect, librdkafka, ok

errors = []
wrong = CONNECTION_STRING
if sys.argv[1:] != ["keep"]:
    wrong = re.sub("SharedAccessKey=[^;]*", "SharedAccessKey=d3JvbmcgaW4gZXZlcnkgd2F5", wrong)
producer = Producer(librdkafka(sasl_password=wrong) | {"error_cb": errors.append})
deadline = time.monotonic() + 30
while time.monotonic() < deadline and not any(e.name() == "_AUTHENTICATION" for e in errors):
    producer.poll(0.2)
expect(any(e.name() == "_AUTHENTICATION" for e in errors), f"no authentication error, but {errors}")
print(next(e.str() for e in errors if e.name() == "_AUTHENTICATION"))
ok()
