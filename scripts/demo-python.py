# SPDX-License-Identifier: MIT
"""What the demo records: python3 at work on JSON and regular expressions."""
import json
import random
import re


def make_orders(n):
    random.seed(2026)
    return [
        {"id": i, "customer": f"customer-{random.randrange(n // 4)}",
         "items": [f"item-{random.randrange(500)}" for _ in range(i % 7 + 1)],
         "price": round(random.uniform(1, 500), 2)}
        for i in range(n)]


def count_items(text):
    found = {}
    for match in re.finditer(r'"(item-\d+)"', text):
        found[match[1]] = found.get(match[1], 0) + 1
    return found


def spend_by_customer(orders):
    spent = {}
    for order in orders:
        spent[order["customer"]] = spent.get(order["customer"], 0) + order["price"]
    return spent


def main():
    text = json.dumps(make_orders(60000), indent=1)
    orders = json.loads(text)
    popular = max(count_items(text).items(), key=lambda item: item[1])
    best = max(spend_by_customer(orders).items(), key=lambda item: item[1])
    print(f"{len(orders)} orders; {popular[0]} sold {popular[1]} times; "
          f"{best[0]} spent {best[1]:.2f}")


main()
