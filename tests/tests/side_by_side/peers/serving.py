"""What both servers of the tests share: how they are told what to do, and how they answer.

The first line of standard input is the configuration, one JSON object. The first line of standard output says
where the server listens, and which versions it has. Each further line is an order, `{"do": name, …}`, which
is answered by a line when it has been carried out: `{}`, or `{"broken": why}`. The server ends when standard
input does.
"""

import json
import sys
import threading
from importlib import metadata

from waitress import create_server


def configuration():
    return json.loads(sys.stdin.readline())


def without_body_of_head(application):
    """Servers that are met in the wild leave it out; waitress sends what it is given."""

    def respond(environ, start_response):
        response = application(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return response
        response.close()
        return []

    return respond


def serve(application, packages, orders):
    # Port 0 is one that is free.
    server = create_server(without_body_of_head(application), host="127.0.0.1", port=0, threads=4)
    versions = {name: metadata.version(name) for name in packages}
    say({"listening": f"http://127.0.0.1:{server.effective_port}", "versions": versions})
    threading.Thread(target=server.run, daemon=True).start()
    for line in sys.stdin:
        order = json.loads(line)
        try:
            say(orders[order.pop("do")](**order) or {})
        except Exception as error:
            say({"broken": f"{type(error).__name__}: {error}"})


def say(message):
    print(json.dumps(message), flush=True)
