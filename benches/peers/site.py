#!/usr/bin/env python3
"""Makes a site to crawl, always the same: FOLDER/site with 20,000 pages (about 512 MB) and FOLDER/addresses, sorted.

Each page links to ten pages below it and to some others. 15 % of the mentions are written in character references, and
between them stand file names and versions that look like addresses.
"""
import math
import os
import random
import sys

PAGES = int(os.environ.get("PAGES", "20000"))
WORDS = "the quick brown fox jumps over a lazy dog while some other words fill this paragraph with plain text".split()


def main(folder):
    chance = random.Random(20261125)
    site = os.path.join(folder, "site")
    os.makedirs(site, exist_ok=True)
    paragraphs = [
        '<p class="text">' + " ".join(chance.choice(WORDS) for _ in range(60)) + "&nbsp;&amp; more.</p>\n" for _ in range(500)
    ]
    addresses, known = set(), []
    for page in range(PAGES):
        mentions = []
        for _ in range(9):
            number = len(addresses)
            address = f"{chance.choice(WORDS)}.{number}@mail{number % 5000}.{chance.choice(['com', 'org', 'net', 'de', 'co.uk'])}"
            addresses.add(address)
            mentions.append(address)
        known.append(mentions[0])
        mentions += [chance.choice(known) for _ in range(3)]
        lines = [written(chance, address) for address in mentions]
        lines += [f'<img src="logo-{page}@2x.png"> <code>left-pad@1.{page % 9}.2</code>\n']
        links = [n for n in range(10 * page + 1, 10 * page + 11) if n < PAGES] + [chance.randrange(PAGES) for _ in range(5)]
        lines += [f'<a href="/p/{n // 1000}/{n}.html">page {n}</a>\n' for n in links]
        size = 20_000 * math.exp(chance.gauss(0, 0.7))
        lines += [chance.choice(paragraphs) for _ in range(int(size / 350))]
        chance.shuffle(lines)
        name = os.path.join(site, "p", str(page // 1000), f"{page}.html")
        os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, "w", encoding="ascii") as file:
            file.write(f"<!doctype html>\n<html><head><title>Page {page}</title></head><body>\n{''.join(lines)}</body></html>\n")
    with open(os.path.join(folder, "addresses"), "w", encoding="ascii") as file:
        file.writelines(address + "\n" for address in sorted(addresses))


def written(chance, address):
    if chance.random() < 0.15:
        address = address.replace("@", chance.choice(["&#64;", "&#x40;", "&commat;"])).replace(".", "&#46;")
    return chance.choice([f"<p>write to {address}.</p>\n", f'<a href="mailto:{address}">mail</a>\n', f"<td>{address}</td>\n"])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: benches/peers/site.py FOLDER")
    main(sys.argv[1])
