#!/usr/bin/env python3
"""A web camera and file server for tests, with faults.

    web_camera.py FOLDER [--port 0]       prints `ready http://127.0.0.1:PORT/`, ends when standard input is closed

    /NAME                  a file of the folder               /NAME?cut=N      promises it whole, closes after N bytes
    /live.mjpg?fps=F       the folder's JPEGs as an endless multipart stream (close_after=N, freeze_after=N pictures)
    /next.jpg, /next       the folder's next JPEG (fail_after=N with 503, mute_after=N answers)
    /NAME?status=CODE      this HTTP status                   /NAME?mute=1     accepts and never answers
    /NAME?user=U&password=P   asks for basic authentication
"""

import argparse
import base64
import http.server
import os
import pathlib
import ssl
import sys
import threading
import time
from urllib.parse import parse_qs, unquote, urlsplit


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {key: value[-1] for key, value in parse_qs(url.query).items()}
        if query.get("mute"):
            threading.Event().wait()
        if "status" in query:
            return self.send_error(int(query["status"]))
        if "user" in query:
            expected = base64.b64encode(f"{query['user']}:{query['password']}".encode()).decode()
            if self.headers.get("Authorization") != "Basic " + expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.send_header("Content-Length", "0")
                return self.end_headers()
        if url.path in ("/next.jpg", "/next"):
            return self.send_next(query)
        if url.path == "/live.mjpg":
            return self.send_live(query)
        file = self.server.folder / unquote(url.path).lstrip("/")
        if not file.is_file():
            return self.send_error(404)
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: int(query.get("cut", len(content)))])

    def send_next(self, query: dict) -> None:
        number = self.server.answers
        self.server.answers += 1
        if number >= int(query.get("mute_after", 1 << 30)):
            threading.Event().wait()
        if number >= int(query.get("fail_after", 1 << 30)):
            return self.send_error(503)
        pictures = sorted(self.server.folder.glob("*.jpg"))
        content = pictures[number % len(pictures)].read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def send_live(self, query: dict) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace;boundary=picture")
        self.end_headers()
        pictures = [file.read_bytes() for file in sorted(self.server.folder.glob("*.jpg"))]
        started, count = time.monotonic(), 0
        while count != int(query.get("close_after", -1)):
            if count == int(query.get("freeze_after", -1)):
                threading.Event().wait()
            picture = pictures[count % len(pictures)]
            head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            self.wfile.write(head.encode() + picture + b"\r\n")
            count += 1
            time.sleep(max(0, started + count / float(query.get("fps", 25)) - time.monotonic()))

    def log_message(self, *arguments) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address) -> None:
        pass  # A client that goes away is nothing to tell.


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate", type=pathlib.Path, help="speak TLS with this file's certificate and key")
    options = parser.parse_args()
    server = Server(("127.0.0.1", options.port), Handler)
    server.folder = options.folder
    server.answers = 0
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(f"ready http{'s' if options.certificate else ''}://127.0.0.1:{server.server_address[1]}/", flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
