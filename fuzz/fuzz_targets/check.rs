//! What holds for the addresses of any bytes; shared by the targets of both media.

use mailscan_core::Address;
use mailscan_core::class::Class;
use mailscan_core::extract::{Form, Media, addresses, oracle};

/// Extracts, and checks that spans are in bounds, in order and apart, that addresses read back, and that the slow reference
/// finds the same.
pub fn check(document: &[u8], media: Media) {
    let (mut last, mut found) = (0, Vec::new());
    addresses(document, media, |finding| {
        let (span, address) = (&finding.span, &finding.address);
        assert!(last <= span.start && span.start < span.end && span.end <= document.len(), "{span:?} after {last}");
        // A domain that does not exist may be part of an address that follows.
        last = if finding.marks.contains(Class::UnknownDomain) { last } else { span.end };
        assert_eq!(Address::parse(address.as_str()).as_ref(), Some(address));
        let whole = address.domain().contains('.') || address.domain().starts_with('[');
        assert!(address.local().len() <= 64 && (whole || finding.marks.contains(Class::UnknownDomain)));
        if finding.form == Form::Plain {
            let at = document[finding.span.clone()].iter().rposition(|byte| *byte == b'@').expect("a plain @");
            // A letter of Latin-1 is no UTF-8.
            let written = std::str::from_utf8(&document[span.start..span.start + at]);
            assert!(written.is_err() || written == Ok(address.local()));
        }
        found.push(finding);
    });
    assert_eq!(found, oracle(document, media));
}
