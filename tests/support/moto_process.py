"""
moto's server, with conditional writes made atomic: moto looks for the object and stores it in two steps, between which
another thread may come (seen: two winners of eight under load; the probe of put-if-absent refuses it then).

    python moto_process.py PORT
"""

import io
import sys
import threading

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple


class Atomic:
    def __init__(self, app):
        self.app = app
        self.lock = threading.Lock()

    def __call__(self, environ, start_response):
        if "HTTP_IF_NONE_MATCH" not in environ:
            return self.app(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        with self.lock:
            return list(self.app(environ, start_response))


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open, as a real store's

    def log_request(self, *args):
        pass


if __name__ == "__main__":
    app = Atomic(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True, request_handler=Handler)
