//! The extractor: a document that comes in pieces.

use super::{Media, Mention, Search, deobfuscate_into, mail, scan_into};

/// Finds the addresses of documents that come in pieces, such as files that are larger than memory.
///
/// Pieces of [`Media::Text`] and [`Media::Html`] are searched one by one, so that they must be cut where no address
/// stands. [`Media::Mail`] may be cut anywhere, as what one piece began is remembered for the next.
///
/// ```
/// use mailscan_core::extract::{Extractor, Media};
///
/// let message = b"Content-Transfer-Encoding: quoted-printable\n\nwrite to ann=40exam=\nple.org\n";
/// let mut found = Vec::new();
/// let mut extractor = Extractor::new();
/// for (number, piece) in message.chunks(10).enumerate() {
///     extractor.read(piece, 10 * number, Media::Mail, |mention| found.push(mention.into_finding().address.to_string()));
/// }
/// extractor.end(|mention| found.push(mention.into_finding().address.to_string()));
/// assert_eq!(found, ["ann@example.org"]);
/// ```
#[derive(Debug)]
pub struct Extractor {
    search: Search,
    mail: Option<Box<mail::Reader>>,
}

impl Default for Extractor {
    fn default() -> Self {
        Self::new()
    }
}

impl Extractor {
    /// An extractor of what [`super::addresses`] finds.
    pub fn new() -> Self {
        Self { search: scan_into, mail: None }
    }

    /// An extractor of what [`super::deobfuscated`] finds.
    pub fn deobfuscating() -> Self {
        Self { search: deobfuscate_into, mail: None }
    }

    /// How it searches a text.
    #[cfg(feature = "files")]
    pub(crate) fn search(&self) -> Search {
        self.search
    }

    /// Reads a piece of which the first byte has the number `offset` in its document.
    ///
    /// Spans count from the document's first byte. A piece that does not go on where the last one ended, or is to be
    /// read otherwise, begins another document. An address may be told of only when the next piece, or [`Self::end`],
    /// has shown that it is whole.
    pub fn read(&mut self, piece: &[u8], offset: usize, media: Media, mut found: impl FnMut(Mention<'_>)) {
        if self.mail.as_ref().is_some_and(|reader| media != Media::Mail || reader.position() != offset) {
            self.end(&mut found);
        }
        if media == Media::Mail {
            self.mail
                .get_or_insert_with(|| Box::new(mail::Reader::new(offset, self.search)))
                .read(piece, &mut |finding| found(finding.into()));
            return;
        }
        (self.search)(piece, media, &mut |mut mention| {
            let span = mention.span;
            mention.span = span.start.saturating_add(offset)..span.end.saturating_add(offset);
            found(mention);
        });
    }

    /// Ends the document: what was held back, as it might have gone on, is read.
    pub fn end(&mut self, mut found: impl FnMut(Mention<'_>)) {
        if let Some(reader) = self.mail.take() {
            reader.end(&mut |finding| found(finding.into()));
        }
    }
}
