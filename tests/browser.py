"""The browser in which pages are tested. Run as a program, it says whether there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
MISSING = "no browser to test pages in: apt install chromium, or .venv/bin/playwright install chromium"
ARGUMENTS = [
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    *(["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else []),
]


def find_browser(playwright: Playwright) -> str | None:
    """Path of a Chromium that starts: one on PATH, or the one that playwright has installed."""
    for path in [*map(shutil.which, NAMES), playwright.chromium.executable_path]:
        # Ubuntu has a chromium-browser that only says what else to install.
        if path and Path(path).exists() and not subprocess.run([path, "--version"], capture_output=True).returncode:
            return path
    return None


if __name__ == "__main__":
    with sync_playwright() as started:
        sys.exit(0 if find_browser(started) else 1)
