# SPDX-License-Identifier: MIT
"""A load for bench.py: JSON, regular expressions, dictionaries."""
import json
import random
import re

random.seed(1)
rows = [{"id": i, "name": "n%06d" % (i * 7919 % 100003),
         "tags": ["t%d" % (i % k) for k in (3, 5, 7, 11)], "v": random.random()}
        for i in range(60000)]
text = json.dumps(rows)
read = json.loads(text)
tags = {}
for match in re.finditer(r'"name": "(n\d+)", "tags": \[(.*?)\]', text):
    for tag in match.group(2).split(", "):
        tags[tag] = tags.get(tag, 0) + 1
words = {}
for word in re.findall(r"[a-z]+\d+", text):
    words[word] = words.get(word, 0) + 1
ends = {k: [row["id"] for row in read if row["name"].endswith(k)] for k in "0123456789"}
print(len(tags), len(words), sum(map(len, ends.values())))
