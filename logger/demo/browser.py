"""Open an address in the browser of this machine, without waiting for it."""

from __future__ import annotations

import os
import threading
import webbrowser

from logger.boundary.terminal import echo


def open_in_browser(address: str) -> None:
    """Open `address` in the browser that BROWSER names, else in a graphical one; print a line if there is none.

    A text browser is not started unless BROWSER names it: it would take over the terminal.
    """
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        browser = None
    is_text = isinstance(browser, webbrowser.GenericBrowser) and not isinstance(
        browser, webbrowser.BackgroundBrowser
    )
    if browser is None or (is_text and not os.environ.get("BROWSER")):
        echo("no graphical browser is found here: open the address yourself", err=True)
        return
    # The module waits some seconds for browsers that stay in the foreground.
    threading.Thread(target=_open, args=(browser, address), name="browser", daemon=True).start()


def _open(browser: webbrowser.BaseBrowser, address: str) -> None:
    try:
        is_open = browser.open(address)
    except (OSError, webbrowser.Error):
        is_open = False
    if not is_open:
        echo("the browser did not start: open the address yourself", err=True)
