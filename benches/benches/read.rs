//! Reading a folder's files whole, by where in a page of memory the room begins that they are read into.
//!
//! `MAILSCAN_CORPUS=/some/folder` names the folder; without it, 64 files are made, of 4 MiB each. Prints the time for room
//! 64 bytes behind the beginning of a page, and 16 bytes, where large blocks of the allocator begin.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const ROOM: usize = 1 << 20;
const PAGE: usize = 4096;
const RUNS: usize = 5;

fn read_all(files: &[PathBuf], memory: &mut [u8]) -> Duration {
    let start = Instant::now();
    for path in files {
        let Ok(mut file) = File::open(path) else { continue };
        while file.read(memory).is_ok_and(|count| count > 0) {}
    }
    start.elapsed()
}

fn main() {
    let made = tempfile::tempdir().expect("a temporary folder");
    let folder = std::env::var_os("MAILSCAN_CORPUS").map_or_else(|| made.path().to_owned(), PathBuf::from);
    if folder == made.path() {
        for number in 0..64 {
            std::fs::write(folder.join(number.to_string()), vec![b'a'; 4 << 20]).expect("a file");
        }
    }
    let all = mailscan_benches::files(&folder);
    let mut memory = vec![0; ROOM + 2 * PAGE];
    let aligned = memory.as_ptr().align_offset(PAGE);
    let offsets = [64, 16];
    let mut best = [Duration::MAX; 2];
    read_all(&all, &mut memory[aligned..aligned + ROOM]);
    for _ in 0..RUNS {
        for (offset, best) in offsets.iter().zip(&mut best) {
            *best = (*best).min(read_all(&all, &mut memory[aligned + offset..aligned + offset + ROOM]));
        }
    }
    for (offset, time) in offsets.iter().zip(best) {
        let ratio = time.as_secs_f64() / best[0].as_secs_f64();
        println!("{} files, {offset} bytes behind the beginning of a page: {time:.3?} ({ratio:.2} x)", all.len());
    }
}
