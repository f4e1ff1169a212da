"""The crawl of benches/peers/crawl as a Scrapy spider: links followed, addresses by a simple pattern."""
import re
import sys

import scrapy
from scrapy.crawler import CrawlerProcess

ADDRESS = re.compile(rb"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
found = set()


class Pages(scrapy.Spider):
    name = "pages"

    def parse(self, response):
        found.update(ADDRESS.findall(response.body))
        for link in response.css("a::attr(href)").getall():
            if not link.startswith("mailto:"):
                yield response.follow(link)


process = CrawlerProcess({
    "CONCURRENT_REQUESTS": 100,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 100,
    "DOWNLOAD_DELAY": 0,
    "LOG_LEVEL": "ERROR",
    "TWISTED_REACTOR": "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
    "ASYNCIO_EVENT_LOOP": "uvloop.Loop",
})
process.crawl(Pages, start_urls=[sys.argv[1]])
process.start()
with open(sys.argv[2], "wb") as file:
    file.writelines(address.lower() + b"\n" for address in sorted(found))
