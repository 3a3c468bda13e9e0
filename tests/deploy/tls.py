"""AWS over TLS, as far as MiniStack can tell.

MiniStack serves HTTP only, and the deployed policies refuse what does not come over TLS. A header says that a proxy
terminates TLS: this proxy adds it, and clients that speak to MiniStack itself send it.
"""

from server import Answer, Request, Server

# What a proxy that terminates TLS adds.
TLS = {"X-Forwarded-Proto": "https"}


class TlsProxy(Server):
    """Stands in front of MiniStack at this port."""

    def __init__(self, port: int):
        self._target = f"127.0.0.1:{port}"
        super().__init__()

    def answer(self, request: Request) -> Answer:
        return request.send_to(self._target, TLS)
