"""Receives crossings from webhooks: checks the signature, and takes each message once however often it comes.

    TAXIMETER_WEBHOOK_SECRET=whsec_… python docs/examples/webhook_receiver.py 9000
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SEEN: set[str] = set()
"""Ids of messages that were taken; a real receiver keeps them where it keeps its work."""


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            message = Webhook(os.environ["TAXIMETER_WEBHOOK_SECRET"]).verify(body, dict(self.headers.items()))
        except WebhookVerificationError:
            self.send_response(401)
        else:
            if self.headers["webhook-id"] not in SEEN:
                SEEN.add(self.headers["webhook-id"])
                print(message["type"], message["data"]["customer"], message["data"]["threshold"], message["data"]["value"], flush=True)
            self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
