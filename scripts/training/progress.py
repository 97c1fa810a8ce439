# SPDX-License-Identifier: Apache-2.0
"""What a person sees while a model is trained. Called at every step."""
import sys
import time


class Progress:
    """A line that is rewritten on a terminal; a line per epoch elsewhere."""

    def __init__(self, what):
        self.what, self.started, self.shown = what, time.monotonic(), 0.0

    def show(self, done, n, losses):
        now = time.monotonic()
        if not sys.stderr.isatty() or now - self.shown < 0.2:
            return
        self.shown = now
        bar = "#" * (20 * done // n)
        left = (now - self.started) / done * (n - done)
        print(f"\r{self.what} [{bar:<20}] {done}/{n}  {self.text(losses)}  {left:.0f} s left ",
              end="", file=sys.stderr, flush=True)

    def end(self, losses, measured=None, better=False):
        text = "  ".join(f"{k} {v:.5f}" for k, v in (measured or {}).items())
        clear = "\r\033[K" if sys.stderr.isatty() else ""
        print(f"{clear}{self.what}  {self.text(losses)}  {text}{' *' if better else ''}  "
              f"{time.monotonic() - self.started:.1f} s", file=sys.stderr, flush=True)

    @staticmethod
    def text(losses):
        return "  ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
