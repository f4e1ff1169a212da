//! What a file says of itself: its author, title and the like, as its dictionary of information and as metadata (ISO 32000-1,
//! section 14.3).

use super::document::Document;
use super::object::Object;
use super::strings;

/// How much metadata is read.
const LONGEST_METADATA: usize = 1 << 20;

/// The text: a line for each entry, and the metadata as they are.
pub(super) fn text(document: &Document<'_>) -> String {
    let mut text = String::new();
    if let Some(information) = document.dictionary(&document.trailer, "Info") {
        for (name, value) in information.iter() {
            if let Some(value) = document.resolve(value).string() {
                text.push_str(&format!("{}: {}\n", String::from_utf8_lossy(name), strings::text(value)));
            }
        }
    }
    let catalog = document.dictionary(&document.trailer, "Root").unwrap_or_default();
    if let Some(Object::Stream(metadata)) = document.find(&catalog, "Metadata").as_deref() {
        let metadata = document.decode(metadata, LONGEST_METADATA).bytes;
        text.push_str(&strings::text_of_metadata(&metadata));
    }
    text
}
