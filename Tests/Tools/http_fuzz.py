#!/usr/bin/env python3
"""Sends damaged HTTP requests to a running hcqd and says whether it still answers.

    http_fuzz.py PORT [--count 1000] [--seed 1]
"""

import argparse
import random
import socket
import sys
import urllib.request

REQUESTS = [
    b"GET /events?camera=door&from=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nLast-Event-ID: door:3\r\nConnection: close\r\n\r\n",
    b"GET /cameras/door/picture.jpg HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    b"GET /cameras/door/stream HTTP/1.1\r\nHost: [::1]:80\r\nAuthorization: Bearer x\r\nConnection: close\r\n\r\n",
    b"GET /?token=a%20b HTTP/1.1\r\nHost: localhost\r\nCookie: a=b; hcqd_token=%41\r\nConnection: close\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
]
WORDS = [
    b"%", b"%zz", b"%00", b"%2e%2e%2f", b"../", b"/", b"?", b"&", b"=", b"\r\n", b"\r\n\r\n", b"\0", b"\xff", b"GET ", b"HEAD ", b"HTTP/9.9",
    b"from=-1", b"from=18446744073709551615", b"from=1e999", b"camera=", b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: \r\n", b"Host: ]\r\n", b"Host: [\r\n", b"Bearer ", b": ",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n", b"Range: bytes=0-\r\n", b"X: " + b"a" * 20000 + b"\r\n", b"/" * 5000,
]


def damaged(luck: random.Random) -> bytes:
    data = bytearray(luck.choice(REQUESTS))
    for _ in range(luck.choice([1, 1, 2, 4, 8])):
        at = luck.randint(0, len(data))
        match luck.randrange(5):
            case 0:
                data[at:at] = luck.choice(WORDS)
            case 1:
                del data[at : at + luck.choice([1, 3, 20])]
            case 2 if at < len(data):
                data[at] = luck.randrange(256)
            case 3:
                data[at:at] = data[at : at + luck.choice([1, 10, 100])]
            case _:
                del data[at : None if luck.random() < 0.2 else at + 1]
    return bytes(data)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    luck = random.Random(arguments.seed)
    answered = 0
    for number in range(arguments.count):
        request = damaged(luck)
        try:
            with socket.create_connection(("127.0.0.1", arguments.port), timeout=5) as connection:
                connection.sendall(request)
                # Streams never end, and what is cut short waits for more: a moment is enough.
                connection.settimeout(0.05)
                answered += connection.recv(64).startswith(b"HTTP/1.")
        except TimeoutError:
            pass
        except ConnectionRefusedError:
            print(f"nobody listens after request {number}: {request!r}", file=sys.stderr)
            return 1
        except OSError:
            pass
    with urllib.request.urlopen(f"http://127.0.0.1:{arguments.port}/healthz", timeout=10) as answer:
        healthy = answer.read() == b"ok\n"
    print(f"http: {arguments.count} requests, {answered} answered, healthy: {healthy}")
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
