//! Content encodings: which ones an answer names, and how they are undone.
//!
//! Bytes as a server sent them come in, decoded ones go out. Every layer is bounded, also one between two others that yields
//! next to nothing, and all of them give way to other work, so that a deadline can end what they do.

use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader, ReadBuf};
use tokio::task::coop;

use super::client::permanent;
use crate::fetch::FetchError;

/// The most content encodings laid over each other that are undone.
const MAX_ENCODINGS: usize = 2;
/// The largest window of a zstd body, as a power of two: the 8 MiB of RFC 9659.
const ZSTD_WINDOW: u32 = 23;
/// How a gzip member begins (RFC 1952, section 2.2).
pub(super) const GZIP: &[u8] = b"\x1f\x8b";
/// How a zstd frame begins, and after its first byte one that is to be skipped (RFC 8878, section 3.1).
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
const ZSTD_SKIPPED: &[u8] = b"\x2a\x4d\x18";
/// The most members or frames of a body. Empty ones cost time and yield nothing.
const MAX_MEMBERS: usize = 1_000;

/// The names that IANA has registered for what nobody undoes here.
const REGISTERED: [&str; 7] = ["compress", "x-compress", "exi", "pack200-gzip", "aes128gcm", "dcb", "dcz"];

/// How much a layer may give beyond the cap. No format makes honest text larger than a few bytes more than it is.
const SLACK: u64 = 64 << 10;

/// Bytes to be decoded.
pub(super) type Reader = Pin<Box<dyn AsyncBufRead + Send>>;

/// A content encoding that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// The content encodings that an answer names.
#[derive(Debug, Default)]
pub(super) struct Encodings {
    /// Those to undo, in the order in which they were applied.
    pub(super) known: Vec<Encoding>,
    /// The first name that is none of an encoding, made fit to be shown.
    pub(super) unknown: Option<String>,
}

impl Encodings {
    /// What the head of an answer names.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, FetchError> {
        let mut named = Self::default();
        for value in headers.get_all(CONTENT_ENCODING) {
            for name in String::from_utf8_lossy(value.as_bytes()).split(',') {
                match name.trim().to_ascii_lowercase().as_str() {
                    "" | "identity" => {}
                    "gzip" | "x-gzip" => named.known.push(Encoding::Gzip),
                    "deflate" => named.known.push(Encoding::Deflate),
                    "br" => named.known.push(Encoding::Brotli),
                    "zstd" => named.known.push(Encoding::Zstd),
                    other if REGISTERED.contains(&other) => return Err(unknown(other)),
                    other => named.unknown = named.unknown.or_else(|| Some(other.escape_debug().to_string())),
                }
            }
        }
        if named.known.len() > MAX_ENCODINGS {
            let message = format!("{} content encodings lie over each other", named.known.len());
            return Err(permanent("content-encoding", message));
        }
        Ok(named)
    }
}

impl Encoding {
    /// A reader of what the encoded bytes say, for a text of at most `cap` bytes.
    pub(super) async fn undo(self, mut reader: Reader, cap: usize) -> io::Result<Reader> {
        Ok(match self {
            // Some servers say so of a text that is as it is.
            Self::Gzip if !GzipDecoder::begins(reader.fill_buf().await?) => reader,
            Self::Gzip => bounded(Members::<GzipDecoder<Reader>>::new(reader), cap),
            Self::Brotli => bounded(BrotliDecoder::new(reader), cap),
            Self::Zstd => bounded(Members::<ZstdDecoder<Reader>>::new(reader), cap),
            Self::Deflate => {
                // RFC 9110 means zlib by "deflate"; some servers send the bare stream. A zlib head has method 8 and a check.
                let mut head = Vec::with_capacity(2);
                (&mut reader).take(2).read_to_end(&mut head).await?;
                let is_zlib = matches!(head[..], [a, b] if a & 15 == 8 && u16::from_be_bytes([a, b]) % 31 == 0);
                let reader = Cursor::new(head).chain(reader);
                if is_zlib { bounded(ZlibDecoder::new(reader), cap) } else { bounded(DeflateDecoder::new(reader), cap) }
            }
        })
    }
}

/// The error of a body in a content encoding that is not undone; the name is fit to be shown.
pub(super) fn unknown(name: &str) -> FetchError {
    permanent("content-encoding", format!("the content encoding `{name}` is not known"))
}

/// Whether bytes begin so, as far as they have come.
fn begin_with(bytes: &[u8], magic: &[u8]) -> bool {
    magic.starts_with(&bytes[..bytes.len().min(magic.len())])
}

/// Bytes that are to become, or are, a text of at most `cap` bytes.
pub(super) fn bounded(reader: impl AsyncRead + Send + 'static, cap: usize) -> Reader {
    Box::pin(BufReader::new(Paced(Box::pin(reader.take((cap as u64).saturating_add(SLACK))))))
}

/// A reader that lets other tasks run now and then, also while it could go on at once.
struct Paced<R>(Pin<Box<R>>);

impl<R: AsyncRead> AsyncRead for Paced<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let budget = ready!(coop::poll_proceed(context));
        ready!(self.0.as_mut().poll_read(context, into))?;
        budget.made_progress();
        Poll::Ready(Ok(()))
    }
}

/// A decoder of one of several members, or frames, that are a body one after the other.
trait Member: AsyncRead + Unpin {
    /// Whether these bytes, of which more may come, are the beginning of a member.
    fn begins(bytes: &[u8]) -> bool;
    /// A decoder of the member that begins here.
    fn new(reader: Reader) -> Self;
    /// What it reads from.
    fn reader(&mut self) -> &mut Reader;
}

impl Member for GzipDecoder<Reader> {
    fn begins(bytes: &[u8]) -> bool {
        begin_with(bytes, GZIP)
    }

    fn new(reader: Reader) -> Self {
        GzipDecoder::new(reader)
    }

    fn reader(&mut self) -> &mut Reader {
        self.get_mut()
    }
}

impl Member for ZstdDecoder<Reader> {
    fn begins(bytes: &[u8]) -> bool {
        let is_skipped = bytes.first().is_none_or(|byte| byte & 0xf0 == 0x50);
        begin_with(bytes, ZSTD) || (is_skipped && begin_with(bytes.get(1..).unwrap_or_default(), ZSTD_SKIPPED))
    }

    fn new(reader: Reader) -> Self {
        ZstdDecoder::with_params(reader, &[DParameter::window_log_max(ZSTD_WINDOW)])
    }

    fn reader(&mut self) -> &mut Reader {
        self.get_mut()
    }
}

/// The members of a body, one after the other. What follows them and is none is padding, which nobody reads.
struct Members<D> {
    decoder: D,
    begun: usize,
    /// The member was read to its end.
    ended: bool,
}

impl<D: Member> Members<D> {
    fn new(reader: Reader) -> Self {
        Self { decoder: D::new(reader), begun: 1, ended: false }
    }
}

impl<D: Member> AsyncRead for Members<D> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let room = into.remaining();
        loop {
            if !self.ended {
                ready!(Pin::new(&mut self.decoder).poll_read(context, into))?;
                if into.remaining() < room || room == 0 {
                    return Poll::Ready(Ok(()));
                }
                self.ended = true;
            }
            let rest = ready!(self.decoder.reader().as_mut().poll_fill_buf(context))?;
            if rest.is_empty() || !D::begins(rest) {
                return Poll::Ready(Ok(()));
            }
            if self.begun == MAX_MEMBERS {
                return Poll::Ready(Err(io::Error::other("it has too many members")));
            }
            let nothing: Reader = Box::pin(tokio::io::empty());
            let reader = std::mem::replace(self.decoder.reader(), nothing);
            (self.decoder, self.begun, self.ended) = (D::new(reader), self.begun + 1, false);
        }
    }
}
