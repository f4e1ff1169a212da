//! A picture of figures over time: panels of lines one above the other, as SVG without scripts.
//!
//! Pure: points in, text out. The figures and their names are the caller's.

use std::fmt::Write;

use super::grouped;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 88.0;
const PANEL: f64 = 190.0;
const GAP: f64 = 56.0;
/// The most points of one line: about two for every dot of its width.
const POINTS: usize = 1_500;

/// One line over time.
#[derive(Debug)]
pub(crate) struct Panel<'a> {
    /// What is shown.
    pub(crate) name: &'a str,
    /// Seconds, rising from 0, and values, from 0.
    pub(crate) points: &'a [(f64, f64)],
    /// A value to be marked across the panel, with its name.
    pub(crate) mark: Option<(f64, &'a str)>,
    /// The colour of the line, as CSS names it.
    pub(crate) colour: &'a str,
}

/// The picture: a title, a line below it, and the panels over one axis of time.
pub(crate) fn svg(title: &str, note: &str, panels: &[Panel<'_>]) -> String {
    let height = TOP + panels.len() as f64 * (PANEL + GAP) + 16.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"28\" font-size=\"17\" font-weight=\"bold\">{}</text>\n\
         <text x=\"{LEFT}\" y=\"50\" fill=\"#666\">{}</text>\n",
        escape(title),
        escape(note),
    );
    let seconds = panels.iter().flat_map(|panel| panel.points).fold(0.0f64, |most, point| most.max(point.0));
    for (number, panel) in panels.iter().enumerate() {
        draw(&mut text, panel, TOP + number as f64 * (PANEL + GAP), seconds.max(1e-3));
    }
    text.push_str("</svg>\n");
    text
}

/// One panel whose upper edge is at `top`.
fn draw(text: &mut String, panel: &Panel<'_>, top: f64, seconds: f64) {
    let most = panel.points.iter().map(|point| point.1).chain(panel.mark.map(|mark| mark.0)).fold(1.0, f64::max) * 1.08;
    let (right, bottom) = (WIDTH - RIGHT, top + PANEL);
    let x = |second: f64| LEFT + (right - LEFT) * second / seconds;
    let y = |value: f64| bottom - PANEL * value / most;
    let _ =
        writeln!(text, "<text x=\"{LEFT}\" y=\"{:.1}\" font-weight=\"bold\">{}</text>", top - 6.0, escape(panel.name));
    for value in ticks(most) {
        let (at, label) = (y(value), grouped(value.round() as u64));
        let _ = writeln!(
            text,
            "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 8.0,
            at + 4.0
        );
    }
    for second in ticks(seconds) {
        let (at, label) = (x(second), number(second));
        let _ = writeln!(
            text,
            "<path d=\"M{at:.1} {bottom}v5\" stroke=\"#999\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label} s</text>",
            bottom + 18.0
        );
    }
    let line: Vec<String> =
        thinned(panel.points).map(|(second, value)| format!("{:.1} {:.1}", x(second), y(value.max(0.0)))).collect();
    if !line.is_empty() {
        let (path, colour) = (line.join("L"), escape(panel.colour));
        let _ = writeln!(text, "<path d=\"M{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"/>");
    }
    if let Some((value, name)) = panel.mark {
        let _ = writeln!(
            text,
            "<path d=\"M{LEFT} {0:.1}H{right}\" stroke=\"#c33\" stroke-dasharray=\"5 4\"/>\
             <text x=\"{right}\" y=\"{1:.1}\" text-anchor=\"end\" fill=\"#c33\">{2}</text>",
            y(value),
            // Beside the panel's name, where no line crosses it.
            top - 6.0,
            escape(name)
        );
    }
}

/// As many points as can be told apart, the last one always.
fn thinned(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    let step = points.len().div_ceil(POINTS).max(1);
    let last = points.len().saturating_sub(1);
    points.iter().enumerate().filter(move |(at, _)| at % step == 0 || *at == last).map(|(_, point)| *point)
}

/// From 0 to `most`, in four to ten round steps of 1, 2 or 5.
fn ticks(most: f64) -> impl Iterator<Item = f64> {
    let rough = most / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|round| round * power).find(|step| *step >= rough).unwrap_or(rough);
    (0..=10).map(move |n| f64::from(n) * step).take_while(move |value| *value <= most)
}

/// A number of seconds without needless digits.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Text that can stand in an element or an attribute.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // XML knows no other control characters.
            ch if ch.is_control() && !matches!(ch, '\n' | '\t') => safe.push('\u{fffd}'),
            ch => safe.push(ch),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_lines_stay_inside() {
        let points: Vec<_> = (0..5_000).map(|n| (f64::from(n), f64::from(n % 7))).collect();
        let panel = Panel { name: "<script>", points: &points, mark: Some((3.0, "a & b")), colour: "\"/><x" };
        let picture = svg("1 < 2", "\u{1}", &[panel]);
        for raw in ["<script", "a & b", "1 < 2", "<x", "\u{1}"] {
            assert!(!picture.contains(raw), "{raw}");
        }
        let paths = picture.split("<path d=\"M").map(|path| path.split('"').next().unwrap());
        let line = paths.max_by_key(|path| path.len()).unwrap();
        assert!(line.split('L').count() <= POINTS + 1);
        assert!(line.ends_with(&format!("{:.1} {:.1}", WIDTH - RIGHT, line_y(4_999 % 7))), "the last point is drawn");
    }

    fn line_y(value: i32) -> f64 {
        TOP + PANEL - PANEL * f64::from(value) / (6.0 * 1.08)
    }

    #[test]
    fn ticks_are_round_and_few() {
        let ticks = |most| ticks(most).collect::<Vec<_>>();
        assert_eq!(ticks(210.0), [0.0, 50.0, 100.0, 150.0, 200.0]);
        assert_eq!(ticks(0.5), [0.0, 0.1, 0.2, 0.30000000000000004, 0.4, 0.5]);
        assert!((1..=11).contains(&ticks(98_765.0).len()));
    }

    #[test]
    fn nothing_to_show_is_a_picture_all_the_same() {
        let panel = Panel { name: "rate", points: &[], mark: None, colour: "#369" };
        assert!(svg("empty", "", &[panel]).ends_with("</svg>\n"));
    }
}
