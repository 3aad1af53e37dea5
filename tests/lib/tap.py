# SPDX-License-Identifier: MIT
"""TAP for tests written in Python; the plan comes last, so a test that dies
half-way has none and fails."""
import sys
import traceback


class Tap:
    def __init__(self):
        self.n = self.failed = 0

    def say(self, good, name, note=""):
        self.n += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.n} - {name}")
        if not good:
            for line in str(note).splitlines():
                print("# " + line)
        sys.stdout.flush()
        return good

    def equal(self, got, wanted, name):
        return self.say(got == wanted, name, f"wanted {wanted!r}\ngot    {got!r}")

    def skip(self, name, reason):
        self.n += 1
        print(f"ok {self.n} - {name} # SKIP {reason}", flush=True)

    def run(self, name, test, *arguments):
        """TEST asserts or raises; that is one result."""
        try:
            test(*arguments)
        except Exception as e:  # whatever went wrong, the other tests go on
            where = traceback.format_exc(limit=-3) if not isinstance(e, AssertionError) else ""
            self.say(False, name, f"{e}\n{where}")
        else:
            self.say(True, name)

    def end(self):
        print(f"1..{self.n}", flush=True)
        sys.exit(self.failed > 0)


def skip_all(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)
