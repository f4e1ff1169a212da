//! The page as a person uses it: look until something is there, click what has a name, type.

use fantoccini::error::CmdError;
use fantoccini::{Locator, elements::Element};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::HANGS;
use super::chrome::Browser;

/// Tab, Enter, Escape and arrows as WebDriver has them.
pub(super) const TAB: &str = "\u{E004}";
pub(super) const ENTER: &str = "\u{E007}";
pub(super) const ESCAPE: &str = "\u{E00C}";
pub(super) const BACKSPACE: &str = "\u{E003}";
pub(super) const RIGHT: &str = "\u{E014}";
pub(super) const DOWN: &str = "\u{E015}";

/// What stands between the page and its server while a test wants it to; in `net`, what is asked of whom and when.
const MEDDLE: &str = include_str!("meddle.js");

/// The page of one server.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) browser: Browser,
    pub(super) origin: String,
}

impl Page {
    pub(super) fn new(browser: Browser, origin: String) -> Self {
        Self { browser, origin }
    }

    /// Loads the page at this view.
    pub(super) async fn visit(&self, view: &str) {
        // Another view alone would not load it anew.
        self.browser.client.goto("about:blank").await.unwrap();
        self.browser.client.goto(&format!("{}/{view}", self.origin)).await.unwrap();
        self.until("document.querySelector('main h1')").await;
    }

    /// Runs a script before those of every page that is loaded from now on.
    pub(super) async fn prepare(&self, script: &str) {
        self.browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await;
    }

    /// Lets `net` hold up, break and count the requests of every page that is loaded from now on.
    pub(super) async fn meddle(&self) {
        self.prepare(MEDDLE).await;
    }

    /// What an expression gives now.
    pub(super) async fn eval(&self, expression: &str) -> Value {
        self.browser.client.execute(&format!("return ({expression})"), Vec::new()).await.unwrap()
    }

    /// Waits until an expression is true, and answers what it gives.
    pub(super) async fn until(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; \
             const look = () => {{ let found = null; try {{ found = ({expression}); }} catch (error) {{}} \
             if (found) done(found === true || !(found instanceof Node) ? found : true); else setTimeout(look, 100); }}; look();"
        );
        match self.browser.client.execute_async(&script, Vec::new()).await {
            Ok(found) => found,
            Err(error) => {
                let text = self.text().await;
                panic!("never true: {expression}: {error}\n{}\n{text}", self.eval("location.href").await);
            }
        }
    }

    /// The text that is shown.
    pub(super) async fn text(&self) -> String {
        self.eval("document.body.innerText.slice(0, 4000)").await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page shows a text.
    pub(super) async fn until_text(&self, text: &str) {
        self.until(&format!("document.body.innerText.includes({})", json!(text))).await;
    }

    /// Waits until a figure has a value.
    pub(super) async fn until_figure(&self, name: &str, value: &str) {
        let node = format!("document.querySelector('[data-figure={name}]').textContent");
        self.until(&format!("{node} === {}", json!(value))).await;
    }

    /// Waits until the job that is shown has a status.
    pub(super) async fn until_status(&self, status: &str) {
        self.until(&format!("document.querySelector('main .heading .badge').textContent === {}", json!(status))).await;
    }

    /// Clicks the button or link with this name, as soon as it is there.
    pub(super) async fn press(&self, name: &str) {
        let path = format!(
            "(//dialog[@open] | //body[not(.//dialog[@open])])[last()]\
             //*[self::button or self::a][not(@hidden)][normalize-space()={name:?} or @aria-label={name:?}]"
        );
        self.click(Locator::XPath(&path)).await;
    }

    /// Clicks an element, as soon as it can be.
    pub(super) async fn click(&self, at: Locator<'_>) {
        let clicked = async {
            loop {
                match self.find_and_click(at).await {
                    Ok(()) => return,
                    Err(error) if is_early(&error) => tokio::task::yield_now().await,
                    Err(error) => panic!("{at:?}: {error}"),
                }
            }
        };
        if timeout(HANGS, clicked).await.is_err() {
            panic!("{at:?} is not there\n{}", self.text().await);
        }
    }

    async fn find_and_click(&self, at: Locator<'_>) -> Result<(), CmdError> {
        self.browser.client.find(at).await?.click().await
    }

    /// Types into a field in place of what it has.
    pub(super) async fn fill(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    pub(super) async fn find(&self, selector: &str) -> Element {
        self.until(&format!("document.querySelector({})", json!(selector))).await;
        self.browser.client.find(Locator::Css(selector)).await.unwrap()
    }

    /// Presses keys wherever the focus is.
    pub(super) async fn keys(&self, keys: &str) {
        self.browser.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// Presses Tab until what has the focus is true to an expression over `it`; answers how often.
    pub(super) async fn tab_to(&self, wanted: &str) -> usize {
        for times in 0..80 {
            if self.eval(&format!("((it) => {wanted})(document.activeElement)")).await == json!(true) {
                return times;
            }
            self.keys(TAB).await;
        }
        panic!("the Tab key does not get to {wanted}\n{}", self.text().await);
    }

    /// Ends the visit: nothing was asked of anybody else, and the console is clean but for what is expected.
    pub(super) async fn leave(self, expected: &[&str]) {
        let foreign = self.foreign_requests().await;
        assert!(foreign.is_empty(), "requests to others: {foreign:?}");
        let complaints = self.complaints(expected).await;
        assert!(complaints.is_empty(), "the console says: {complaints:#?}");
        self.browser.close().await;
    }

    /// Requests since the last look that went anywhere but to the server.
    pub(super) async fn foreign_requests(&self) -> Vec<String> {
        let own = format!("{}/", self.origin);
        let entries = self.browser.log("performance").await;
        let messages =
            entries.iter().filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok());
        let requests: Vec<_> = messages
            .filter(|message| message["message"]["method"] == "Network.requestWillBeSent")
            .filter_map(|message| message["message"]["params"]["request"]["url"].as_str().map(str::to_owned))
            .collect();
        assert!(requests.iter().any(|url| url.starts_with(&own)), "the log of requests has none");
        let ours = |url: &String| url.starts_with(&own) || url.starts_with("blob:") || url == "about:blank";
        requests.into_iter().filter(|url| !ours(url)).collect()
    }

    /// Warnings and errors in the console since the last look, those that hold one of these texts left out.
    pub(super) async fn complaints(&self, expected: &[&str]) -> Vec<String> {
        let entries = self.browser.log("browser").await;
        let loud = entries.iter().filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
        let texts = loud.filter_map(|entry| entry["message"].as_str().map(str::to_owned));
        texts.filter(|text| !expected.iter().any(|known| text.contains(known))).collect()
    }
}

/// Whether a click may work in a moment: the element is not there yet, or was replaced just now.
fn is_early(error: &CmdError) -> bool {
    error.is_no_such_element()
        || error.is_stale_element_reference()
        || error.is_element_not_interactable()
        || matches!(error, CmdError::Standard(error) if error.error() == "element click intercepted")
}
