# SPDX-License-Identifier: MIT
"""`--debuginfod` with a server of its own, which notes what it is asked for: nothing
unless the option is given, and then names come from what it has."""
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
from tap import Tap


class Server(http.server.ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked = {}, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        path = self.server.files.get(self.path)
        if path is None:
            self.send_error(404)
            return
        with open(path, "rb") as f:
            body = f.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def build_id(path):
    notes = subprocess.run(["readelf", "-n", path], check=True, capture_output=True, text=True)
    return notes.stdout.split("Build ID: ")[1].split()[0]


def names(ran):
    if ran.status:
        return ran.text()
    return [f.get("function") for t in json.loads(ran.out)["threads"] for f in t["stack"]
            if f["module"] == "stripped"]


def main():
    tap, work, server = Tap(), hs.work_dir(), Server()
    path, full = work + "/stripped", hs.victim("sleepers")
    if not shutil.which("strip") or not shutil.which("readelf"):
        tap.skip("debuginfod", "no binutils here")
        tap.end()
        return
    shutil.copy(full, path)
    subprocess.run(["strip", path], check=True)
    key = f"/buildid/{build_id(path)}"
    victim = subprocess.Popen([path], env=hs.environment(), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    assert victim.stdout.readline() == b"ready\n"

    def core(*options, cache="cache", url=server.url()):
        return hs.Ran([hs.HEAPSNAP, "core", "--json", *options, str(victim.pid)],
                      DEBUGINFOD_URLS=url, DEBUGINFOD_CACHE_PATH=f"{work}/{cache}",
                      HOME=work)

    ran = core()
    if ran.status:
        tap.skip("debuginfod", ran.err.decode().strip())
        tap.end()
        return
    tap.equal((set(names(ran)), server.asked), ({None}, []),
              "without the option no server is asked, whatever the environment says")
    ran = core("--debuginfod")
    if b"needs libdebuginfod" in ran.err:
        tap.skip("--debuginfod", "no libdebuginfod here")
        tap.end()
        return
    tap.say(set(names(ran)) == {None} and key + "/debuginfo" in server.asked,
            "what the server does not have stays unnamed", server.asked)
    server.files[key + "/debuginfo"] = full
    ran = core("--debuginfod", cache="second")
    wanted = {"inner", "middle", "outer", "main", "_start"}
    tap.equal(set(names(ran)), wanted, "what it has gives names")
    lines = [f for t in json.loads(ran.out)["threads"] for f in t["stack"]
             if f.get("function") == "inner"]
    tap.say(lines and all(f["file"].endswith("sleepers.c") and f["line"] for f in lines),
            "and lines", lines)
    server.files[key + "/debuginfo"] = hs.HEAPSNAP
    ran = core("--debuginfod", cache="third")
    tap.equal(set(names(ran)), {None}, "a file with another build-id is refused")
    ran = core("--debuginfod", url="")
    tap.say(ran.status == 1 and b"DEBUGINFOD_URLS names none" in ran.err,
            "without a server it says what is missing", ran.text())
    victim.stdin.close()
    victim.wait(hs.LIMIT_S)
    tap.end()


main()
