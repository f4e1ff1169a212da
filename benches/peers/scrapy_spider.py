"""The crawl of benches/peers/crawl as Scrapy spiders: links followed, addresses by a simple pattern.

`documented` is what `scrapy startproject` and `scrapy genspider -t crawl` begin with: a `CrawlSpider` whose links a
`LinkExtractor` finds, and robots.txt obeyed. `lean` leaves all of that out: links by one selector, no robots.txt, no text.
"""
import re
import sys

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.linkextractors import LinkExtractor
from scrapy.spiders import CrawlSpider, Rule

ADDRESS = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"
found = set()


class Documented(CrawlSpider):
    name = "documented"
    rules = [Rule(LinkExtractor(), callback="search", follow=True)]
    pattern = re.compile(ADDRESS)

    def search(self, response):
        found.update(address.encode() for address in self.pattern.findall(response.text))

    parse_start_url = search


class Lean(scrapy.Spider):
    name = "lean"
    pattern = re.compile(ADDRESS.encode())

    def parse(self, response):
        found.update(self.pattern.findall(response.body))
        for link in response.css("a::attr(href)").getall():
            if not link.startswith("mailto:"):
                yield response.follow(link)


spider = {spider.name: spider for spider in (Documented, Lean)}[sys.argv[1]]
process = CrawlerProcess({
    "CONCURRENT_REQUESTS": 100,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 100,
    "DOWNLOAD_DELAY": 0,
    "LOG_LEVEL": "ERROR",
    "ROBOTSTXT_OBEY": spider is Documented,
    "TWISTED_REACTOR": "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
    "ASYNCIO_EVENT_LOOP": "uvloop.Loop",
})
process.crawl(spider, start_urls=[sys.argv[2]])
process.start()
with open(sys.argv[3], "wb") as file:
    file.writelines(address.lower() + b"\n" for address in sorted(found))
