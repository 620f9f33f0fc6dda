"""Opens pages of `tfr report` in headless Chromium, and checks and photographs them.

    python bench/check_report.py REPORT.html... [--out DIR]

Each page is opened at 390 and 1280 pixels, light and dark. It must log nothing to the console, fetch nothing, be no wider
than its window, show every image, and have every target that it links to. Screenshots of whole pages go to DIR. Needs
`chromium` and nothing but Python's own library; without a browser it says "skipped" and exits with 77.
"""

import argparse
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --remote-debugging-pipe"
).split()
SIZES = [(390, 844, True), (1280, 900, False)]
SCHEMES = ["light", "dark"]
LOOK = """(() => {
  const root = document.documentElement;
  const wide = [...document.querySelectorAll('body *')].filter(e =>
    e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll') && !e.closest('svg'));
  return {
    width: root.scrollWidth, height: root.scrollHeight, window: innerWidth,
    wide: wide.slice(0, 5).map(e => e.tagName + '.' + e.className),
    images: document.images.length,
    blank: [...document.images].filter(i => !i.complete || i.naturalWidth === 0).length,
    lost: [...document.querySelectorAll('a[href^="#"]')].map(a => a.hash.slice(1)).filter(id => !document.getElementById(id)),
    headings: [...document.querySelectorAll('h1, h2')].length,
    tiny: [...document.querySelectorAll('svg text.tick')].map(t => t.getBoundingClientRect().height).filter(h => h > 0 && h < 9).length,
  };
})()"""


class Browser:
    """Chromium, spoken to over a pipe in the DevTools protocol."""

    def __init__(self, program, profile):
        to_child, to_parent = os.pipe(), os.pipe()

        def place():
            # Chromium reads from 3 and writes to 4. Both ends are first moved out of each other's way.
            read, write = os.dup(to_child[0]), os.dup(to_parent[1])
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=place,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_child[0])
        os.close(to_parent[1])
        self.input, self.output = os.fdopen(to_child[1], "wb"), os.fdopen(to_parent[0], "rb")
        self.number, self.pending, self.events, self.session = 0, b"", [], None

    def receive(self):
        while b"\0" not in self.pending:
            more = os.read(self.output.fileno(), 1 << 20)
            if not more:
                raise RuntimeError("the browser is gone")
            self.pending += more
        message, self.pending = self.pending.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.input.write(json.dumps(message).encode() + b"\0")
        self.input.flush()
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive())

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
        except (RuntimeError, OSError):
            pass
        self.process.wait(timeout=30)


def check(browser, page, out):
    """What is wrong with a page, over all sizes and schemes."""
    wrong = []
    for width, height, mobile in SIZES:
        for scheme in SCHEMES:
            target = browser.call("Target.createTarget", url="about:blank")["targetId"]
            browser.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Network", "Runtime", "Log"):
                browser.call(f"{domain}.enable")
            scale = 2 if mobile else 1
            screen = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile}
            browser.call("Emulation.setDeviceMetricsOverride", **screen)
            browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            browser.events.clear()
            address = page.resolve().as_uri()
            browser.call("Page.navigate", url=address)
            browser.wait("Page.loadEventFired")
            seen = browser.call("Runtime.evaluate", expression=LOOK, returnByValue=True)["result"]["value"]
            fetched = [
                event["params"]["request"]["url"]
                for event in browser.events
                if event.get("method") == "Network.requestWillBeSent"
            ]
            fetched = [url[:80] for url in fetched if url != address and not url.startswith("data:")]
            said = [
                json.dumps(event["params"])[:300]
                for event in browser.events
                if event.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
            ]
            faults = {
                "fetches": fetched,
                "says": said,
                "is wider than its window": [seen["width"]] * (seen["width"] > seen["window"]) + seen["wide"],
                "has blank images": [seen["blank"]] * (seen["blank"] > 0),
                "links to nothing": seen["lost"],
                "has tiny text in charts": [seen["tiny"]] * (seen["tiny"] > 0),
                "has no headings": [0] * (seen["headings"] < 3),
            }
            name = f"{page.stem}-{width}-{scheme}"
            wrong += [f"{name} {what}: {which}" for what, which in faults.items() if which]
            clip = {"x": 0, "y": 0, "width": width, "height": min(seen["height"], 16000 // scale), "scale": 1}
            shot = browser.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
            (out / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
            print(f"{name}: {seen['images']} images, {seen['height']} pixels high")
            browser.session = None
            browser.call("Target.closeTarget", targetId=target)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+", type=pathlib.Path, metavar="REPORT.html")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("report-shots"), metavar="DIR")
    args = parser.parse_args()
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        print("skipped: no chromium on this machine")
        return 77
    args.out.mkdir(parents=True, exist_ok=True)
    wrong = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        try:
            for page in args.pages:
                wrong += check(browser, page, args.out)
        finally:
            browser.close()
    for line in wrong:
        print("WRONG:", line)
    print(f"{len(args.pages)} pages, {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
