//! A refresh: where a `<meta>` says that a page goes on by itself, as the HTML standard reads it.
//!
//! The value of its `content` comes in, the URL goes out to `links.rs`.

/// The URL of a refresh: `5; url=next.html`, `5; next.html`, with or without quotes.
pub(crate) fn target(content: &[u8]) -> Option<&[u8]> {
    let seconds = content.trim_ascii_start();
    let rest = &seconds[seconds.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count()..];
    let (is_timed, part) = (rest.len() < seconds.len(), rest.trim_ascii_start());
    let is_apart = part.len() < rest.len() || part.starts_with(b";") || part.starts_with(b",");
    let url = part.strip_prefix(b";").or_else(|| part.strip_prefix(b",")).unwrap_or(part).trim_ascii();
    let named = url.split_at_checked(3).filter(|(name, _)| name.eq_ignore_ascii_case(b"url"));
    let named = named.and_then(|(_, value)| value.trim_ascii_start().strip_prefix(b"="));
    let url = named.map(<[u8]>::trim_ascii_start).or((is_timed && is_apart).then_some(url))?;
    match url.first()? {
        quote @ (b'"' | b'\'') => url[1..].split(|byte| byte == quote).next(),
        _ => Some(url),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn where_a_refresh_leads() {
        for (content, target) in [
            ("5; url=next.html", Some("next.html")),
            ("0;URL = 'a b'c", Some("a b")),
            ("0;/next", Some("/next")),
            ("0.5 , \"/next\"", Some("/next")),
            ("3 next", Some("next")),
            ("0;urls", Some("urls")),
            ("0;/curl=x", Some("/curl=x")),
            ("url=/g", Some("/g")),
            ("5", None),
            ("5;", None),
            ("5next ", None),
            ("/next", None),
            ("0;url=", None),
        ] {
            assert_eq!(super::target(content.as_bytes()), target.map(str::as_bytes), "{content}");
        }
    }
}
