//! How a file is called that is attached to a message, in Outlook's files and in mail.

/// How much of a name is kept.
const LONGEST: usize = 1_024;

/// The name of the attachment with this number, as far as it has one.
pub(super) fn name(name: &str, number: usize) -> String {
    let name: String = name.chars().filter(|sign| !sign.is_control()).collect();
    if name.trim().is_empty() { format!("attachment {number}") } else { cut(&name).to_owned() }
}

/// As much of a name as is kept.
pub(super) fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(LONGEST)]
}
