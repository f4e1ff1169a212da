//! How far the lists of URLs are read, in a few words. The sizes are those of the files as they are now.

use mailscan_core::task::ListPosition;

use super::counted;

/// Such as `list read 43 %`; `None` when there is nothing left to read, or nobody knows how much.
pub(crate) fn read(lists: &[ListPosition]) -> Option<String> {
    told(lists, |path| std::fs::metadata(path).ok().map(|file| file.len()))
}

fn told(lists: &[ListPosition], size: impl Fn(&str) -> Option<u64>) -> Option<String> {
    let (mut read, mut all, mut known) = (0, 0, 0);
    for list in lists {
        let Some(size) = size(&list.path).filter(|size| *size > 0) else { continue };
        known += 1;
        all += u128::from(size);
        read += u128::from(list.offset.min(size));
    }
    let name = if known == 1 { "list".to_owned() } else { counted(known, "list", "lists") };
    (known > 0).then(|| format!("{name} read {} %", read * 100 / all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_all_lists_whose_size_is_known() {
        let told = |lists: &[(&str, u64)]| {
            let lists: Vec<_> =
                lists.iter().map(|&(path, offset)| ListPosition { path: path.into(), offset }).collect();
            super::told(&lists, |path| match path {
                "gone" => None,
                path => Some(path.len() as u64 * 100),
            })
        };
        assert_eq!(told(&[("a", 43)]).as_deref(), Some("list read 43 %"));
        assert_eq!(told(&[("a", 0), ("bbb", 299), ("gone", 5)]).as_deref(), Some("2 lists read 74 %"));
        assert_eq!(told(&[("a", 900)]).as_deref(), Some("list read 100 %"), "the file has shrunk");
        assert_eq!((told(&[("", 0)]), told(&[("gone", 1)]), told(&[])), (None, None, None));
    }
}
