"""Waits until a URL answers 200."""

import sys
import time
import urllib.request

end = time.monotonic() + 60
while True:
    try:
        urllib.request.urlopen(sys.argv[1], timeout=1)
        break
    except OSError:
        if time.monotonic() > end:
            raise
        time.sleep(0.05)
