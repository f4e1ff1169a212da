//! The chart of a job's rate: when its line begins and ends, by whose clock, and what it holds of the time one was away.

use serde_json::json;

use super::looks::running;

/// How many points the line has.
const POINTS: &str = "document.querySelector('.chart .line').getAttribute('d').split('L').length";
/// How far apart two points that follow each other are at most, and usually.
const WIDEST: &str = "steps().at(-1)";
const USUAL: &str = "steps()[Math.floor(steps().length / 2)]";
const STEPS: &str = "window.steps = () => {
    const all = document.querySelector('.chart .line').getAttribute('d').slice(1).split('L').map((point) => Number(point.split(' ')[0]));
    return all.slice(1).map((at, n) => at - all[n]).sort((a, b) => a - b);
}";
/// Its words for when it begins and ends, and its summary.
const WORDS: &str = "['.axis.start', '.axis.end', '.chart-summary'].map((at) => document.querySelector(`[aria-label=Rate] ${at}`).textContent)";

#[tokio::test(flavor = "multi_thread")]
async fn the_line_goes_by_the_clock_of_the_server_and_ends_with_the_work() {
    let Some(desk) = running().await else { return };
    let page = &desk.page;
    // An hour before the server's, and then an hour behind it.
    for hours in [1, -2] {
        page.prepare(&format!("Date.now = ((now) => () => now() + {hours} * 3_600_000)(Date.now)")).await;
        page.visit("#/jobs/1").await;
        // Some of the points are those that the server has seen, and some those that were told live.
        let served = page.until(&format!("{POINTS} > 1 && {POINTS}")).await;
        page.until(&format!("{POINTS} > {served} + 2")).await;
        let words = page.eval(WORDS).await;
        assert!(words[0].as_str().unwrap().ends_with(" s ago"), "{words}");
        assert_eq!(words[1], json!("now"));
        assert!(words[2].as_str().unwrap().starts_with("Now "), "{words}");
    }
    page.press("Pause").await;
    page.until_status("paused").await;
    let words = page.until(&format!("{WORDS}[1] !== 'now' && {WORDS}")).await;
    let (start, end, summary) = (words[0].as_str().unwrap(), words[1].as_str().unwrap(), words[2].as_str().unwrap());
    assert!(start < end && end.len() == "12:34:56".len() || start > "23", "{words}");
    assert!(summary.starts_with(&format!("At {end}: ")), "{words}");
    desk.page.leave(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_holds_the_time_one_was_away() {
    let Some(desk) = running().await else { return };
    let page = &desk.page;
    page.prepare(STEPS).await;
    page.visit("#/jobs/1").await;
    page.until(&format!("{POINTS} > 1")).await;
    page.eval("location.hash = '#/workers'").await;
    page.until("document.querySelector('h1').textContent === 'Workers'").await;
    let seen = "fetch('/api/v1/jobs/1/rates').then((answer) => answer.json()).then(({ history }) => { window.seen = history.length; })";
    page.until(&format!("({seen}, window.seen > 0)")).await;
    page.eval("window.left = window.seen").await;
    page.until(&format!("({seen}, window.seen > window.left + 7)")).await;
    page.eval("history.back()").await;
    // No two points are as far from each other as leaving and coming back.
    page.until(&format!("{POINTS} >= window.seen && {WIDEST} < 5 * {USUAL}")).await;
    desk.page.leave(&[]).await;
}
