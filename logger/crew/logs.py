"""The logs over HTTP: the page, the list, the bytes, other formats, reviews. Put together here."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from logger.crew.copies import Copies
from logger.crew.downloads import Downloads
from logger.crew.exports import Export
from logger.crew.listing import Listing
from logger.crew.pages import page
from logger.crew.reviews import Review


def routes(copies: Copies) -> list[BaseRoute]:
    """Everything about logs that the crew server answers."""
    downloads = Downloads(copies)
    return [
        Route("/logs", page("logs.html")),
        Route("/logs.css", page("logs.css")),
        Route("/logs.js", page("logs.js")),
        Route("/logs/{name}/review", Review(copies)),
        Route("/api/logs", Listing(copies).answer),
        Route("/api/logs/{name}", downloads),
        Route("/api/logs/{name}/delivered", downloads.delivered, methods=["POST"]),
        Route("/api/logs/{name}/export", Export(copies)),
    ]
