"""Looks at every page of the site in build/docs, as `make docs ARGS=--check` does after building it.

python tests/scripts/check_site.py                    links, anchors, pictures; then a browser, at a phone's width and a desk's
python tests/scripts/check_site.py --shots FOLDER     and keeps what the browser shows of each page

The first part reads the files: what a page links to or shows must be there, anchors too, and nothing may come from the
network. The second opens each page in Chromium, 390 and 1280 pixels wide: it must not be wider than that, and nothing may
be written to the console. CHROMIUM names the browser, if it is not found.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

SITE = Path(__file__).resolve().parents[2] / "build" / "docs"
WIDTHS = (390, 1280)
FLAGS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr"),
]
LOADED = {
    "img": "src",
    "script": "src",
    "iframe": "src",
    "source": "src",
    "link": "href",
}  # what a page loads by itself
# A page that opens each page of the site in a frame of each width, and sends home what is too wide there.
FRAME = """<!doctype html><title>widths</title><body style="margin:0"><script>
const pages = %s, widths = %s, wide = [];
function opened(page, width) {
  return new Promise(done => {
    const frame = document.createElement("iframe");
    frame.style = `border:0; height:900px; width:${width}px`;
    frame.onload = () => setTimeout(() => {
      const inner = frame.contentDocument, most = inner.documentElement.scrollWidth;
      if (most > width) {
        const right = e => e.getBoundingClientRect().right, boxes = [...inner.body.querySelectorAll("*")];
        const widest = boxes.filter(e => right(e) >= most - 1).pop() || inner.body;
        wide.push([page, width, most, widest.outerHTML.slice(0, 120)]);
      }
      frame.remove(); done();
    }, 50);
    frame.src = page; document.body.append(frame);
  });
}
(async () => {
  for (const page of pages) for (const width of widths) await opened(page, width);
  await fetch("/done", {method: "POST", body: JSON.stringify(wide)});
})();
</script></body>"""


class Page(HTMLParser):
    """The anchors of a page, what it links to, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors, self.links, self.loads = set[str](), [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list) -> None:
        given = dict(attrs)
        self.anchors.update(given[key] for key in ("id", "name") if given.get(key))
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if given.get(LOADED.get(tag, "")) and given.get("rel") not in ("canonical", "prev", "next"):
            self.loads.append(given[LOADED[tag]])


def read(site: Path) -> tuple[list[str], list[str]]:
    """(pages, what is wrong in their text)."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    wrong = []
    for path, page in pages.items():
        said = path.relative_to(site)
        wrong += [f"{said}: loads {url} from the network" for url in page.loads if urlsplit(url).netloc]
        for url in (*page.links, *page.loads):
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                continue
            target, anchor = urldefrag(url)
            file = (path.parent / unquote(urlsplit(target).path)).resolve() if target else path
            if not file.is_file():
                wrong.append(f"{said}: {url} is not there")
            elif anchor and file in pages and unquote(anchor) not in pages[file].anchors:
                wrong.append(f"{said}: {url} has no such anchor")
    for path in site.rglob("*.css"):
        wrong += [
            f"{path.relative_to(site)}: {url}"
            for url in re.findall(r"url\([\"']?(?:https?:)?//[^)]*", path.read_text())
        ]
    return [path.relative_to(site).as_posix() for path in pages], wrong


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the site and the page with the frames; takes what that page sends."""

    found: list = []
    missing: list[str] = []
    frame = ""
    done = threading.Event()

    def do_GET(self) -> None:
        if self.path != "/frame":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.frame.encode())

    def do_POST(self) -> None:
        self.found.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()
        self.done.set()

    def log_message(self, format: str, *args: object) -> None:
        if len(args) > 1 and str(args[1]).startswith("4") and "favicon" not in str(args[0]):
            self.missing.append(f"{args[0]}: {args[1]}")


def browser() -> str:
    """The path of Chromium. Raises SystemExit if there is none."""
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, filter(None, names)) if path), None)
    if found is None:
        raise SystemExit("check_site.py needs Chromium: install it, or let CHROMIUM name it")
    return found


def opened(site: Path, pages: list[str], limit: float) -> list[str]:
    """What a browser finds wrong: pages wider than the window, messages on the console, files that are missing."""
    Handler.frame = FRAME % (json.dumps([f"/{page}" for page in pages]), json.dumps(WIDTHS))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, tempfile.TemporaryFile("w+") as console:
        address = f"http://127.0.0.1:{server.server_port}/frame"
        command = [browser(), *FLAGS, f"--user-data-dir={profile}", "--window-size=1400,1000", address]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=console)
        came = Handler.done.wait(limit)
        running.terminate()
        running.wait()
        console.seek(0)
        said = [line.strip() for line in console if ":CONSOLE" in line]
    server.shutdown()
    wrong = [] if came else [f"the browser did not open all pages in {limit:.0f} s"]
    wrong += [
        f"{page[1:]}: {most} pixels wide in a window of {width}: {what}" for page, width, most, what in Handler.found
    ]
    return wrong + said + Handler.missing


def shoot(site: Path, pages: list[str], folder: Path) -> None:
    """Pictures of the pages at both widths. (A frame, since Chromium's windows are at least 500 pixels wide.)"""
    folder.mkdir(parents=True, exist_ok=True)
    for page in pages:
        for width in WIDTHS:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
                frame = Path(profile) / "frame.html"
                style = f"border:0; width:{width}px; height:1600px"
                frame.write_text(f'<body style="margin:0"><iframe style="{style}" src="file://{site / page}"></iframe>')
                out = folder / f"{page.removesuffix('.html').replace('/', '_')}_{width}.png"
                size = [
                    f"--window-size={max(width, 500)},1600",
                    f"--screenshot={out}",
                    f"--user-data-dir={profile}/profile",
                ]
                subprocess.run([browser(), *FLAGS, *size, f"file://{frame}"], capture_output=True, timeout=60)


def main() -> None:
    """Look, and exit with 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, default=SITE, help="the folder of the site")
    parser.add_argument("--shots", type=Path, help="a folder for pictures of the pages, named after them and the width")
    parser.add_argument("--pages", nargs="*", help="only these, as in course/01_chain_rule.html")
    parser.add_argument("--limit", type=float, default=300, help="seconds for the browser")
    args = parser.parse_args()
    if not (args.site / "index.html").exists():
        raise SystemExit(f"{args.site} is no site: make docs builds it")
    pages, wrong = read(args.site)
    shown = args.pages or [page for page in pages if not page.startswith("source/minitorch/")]
    wrong += opened(args.site, shown, args.limit)
    if args.shots:
        shoot(args.site, [page for page in shown if not page.startswith("source/")], args.shots)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{len(pages)} pages read, {len(shown)} opened at {WIDTHS[0]} and {WIDTHS[1]} pixels, {len(wrong)} faults")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
