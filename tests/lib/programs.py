# SPDX-License-Identifier: MIT
"""Real programs as the end-to-end tests run them: a second or less of work, the
same output each time."""
import shutil
import subprocess

PYTHON = r"""
import json, re, sys
rows = [{"id": i, "name": f"n{i * 7919 % 1000}", "tags": list(range(i % 9))} for i in range(4000)]
text = json.dumps(rows)
names = set(re.findall(r'"name": "(n\d+)"', text))
print(len(json.loads(text)), len(names))
print("to stderr", file=sys.stderr)
sys.exit(3)
"""

SQL = """
create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
insert into t select i, 'row ' || (i * 7919 % 1000), i / 7.0 from n;
create index by_b on t(b);
select b, count(*), sum(c) from t group by b order by 3 desc limit 5;
select no_such_column from t;
"""

CXX = r"""
#include <algorithm>
#include <map>
#include <string>
#include <vector>
template <class T> struct Shelf { std::map<std::string, std::vector<T>> rows; };
std::size_t count(const Shelf<std::string> &s) {
    std::size_t n = 0;
    for (auto &row : s.rows)
        n += std::count_if(row.second.begin(), row.second.end(), [](auto &x) { return !x.empty(); });
    return n;
}
"""

GIT = r"""
set -e
git init -q repo && cd repo
git config user.name n && git config user.email e@example.org
export GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'
for i in 1 2 3 4 5; do seq $((i * 100)) >file$i; git add .; git commit -qm "number $i"; done
git log -p --stat | tail -n 5
git repack -adq --threads=2
git fsck --no-progress
git show no-such-thing
"""

XZ = r"""
seq 200000 >numbers
xz -k -6 -T2 --block-size=300KiB -c numbers >numbers.xz
xz -dc numbers.xz | cmp - numbers && echo same
xz -l no-such-file
"""


class Program:
    def __init__(self, name, needs, argv, processes=1, files=()):
        self.name, self.needs, self.arguments = name, needs, argv
        self.processes, self.files = processes, dict(files)

    def missing(self):
        """Why it cannot run here, or None."""
        return None if self.needs and shutil.which(self.needs) else f"{self.name} is not here"

    def argv(self, folder):
        """Its command line, to be run in FOLDER, which is made ready."""
        shutil.rmtree(folder + "/repo", ignore_errors=True)
        for name, text in self.files.items():
            with open(f"{folder}/{name}", "w", encoding="utf-8") as f:
                f.write(text)
        return self.arguments


def cc1plus():
    """gcc's C++ compiler proper, or None."""
    try:
        path = subprocess.run(["gcc", "-print-prog-name=cc1plus"], capture_output=True,
                              check=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return path if path.startswith("/") else None


ALL = [
    Program("python3", "/usr/bin/python3", ["/usr/bin/python3", "-c", PYTHON]),
    Program("sqlite3", "sqlite3", ["sqlite3", ":memory:", ".read work.sql"],
            files={"work.sql": SQL}),
    Program("git", "git", ["sh", "-c", GIT], processes=20),
    Program("xz", "xz", ["sh", "-c", XZ], processes=6),
    Program("cc1plus", cc1plus(), [cc1plus(), "-quiet", "-O1", "-g0", "work.cc", "-o", "-"],
            files={"work.cc": CXX}),
]
