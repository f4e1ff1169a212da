// Stands between the page and `fetch`. Runs before the page's own scripts.

window.net = {
  /** What is asked as long as this fits its path waits. */
  hold: null,
  /** The bodies of answers whose paths fit this break off, or are no JSON where `garbled` says so. */
  broken: null,
  garbled: false,
  /** What fits this is answered with a status in place of the server, and with how many seconds to wait. */
  refused: null,
  status: 503,
  after: null,
  /** What the page is given for the JSON of a path. */
  edit: null,
  /** When it was. */
  refusals: [],
  /** The paths that were asked for, and how many bodies were broken. */
  asked: [],
  broke: 0,
  /** Whether a first piece of the events of all jobs is there. */
  heard: false,
};

const real = window.fetch;
const cut = () => new ReadableStream({
  start(controller) {
    controller.enqueue(new TextEncoder().encode('{"jobs":[{'));
    controller.error(new TypeError("network error"));
  },
});

window.fetch = async (path, init) => {
  net.asked.push(path);
  while (typeof net.hold === "function" ? net.hold(path) : net.hold?.test(path)) await new Promise((resolve) => setTimeout(resolve, 20));
  if (net.refused?.test(path)) {
    net.refusals.push(performance.now());
    return new Response("{}", { status: net.status, headers: net.after === null ? {} : { "Retry-After": net.after } });
  }
  const answer = await real(path, init);
  if (path.endsWith("/v1/events") && answer.ok) {
    answer.clone().body.getReader().read().then(() => { net.heard = true; }, () => {});
  }
  if (net.edit !== null && answer.headers.get("Content-Type") === "application/json") {
    return new Response(JSON.stringify(net.edit(path, await answer.json())), { headers: answer.headers });
  }
  if (!net.broken?.test(path)) return answer;
  net.broke += 1;
  return new Response(net.garbled ? "<p>Sign in</p>" : cut(), { headers: { "Content-Type": "application/json" } });
};
