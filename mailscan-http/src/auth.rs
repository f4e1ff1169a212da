//! Who may ask for what: bearer tokens (RFC 6750) with a scope each, read from a file, and again when somebody says so.
//!
//! A token is compared in constant time with every one that is known, and is in no log, no error and no `Debug` output.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use subtle::{Choice, ConstantTimeEq};

use crate::problem::Problem;

/// The most bytes of a file of tokens.
const MAX_FILE: u64 = 1 << 20;
/// The most tokens of a file. Every request is compared with all of them.
const MAX_TOKENS: usize = 256;
/// The fewest and the most characters of a token. Shorter ones can be guessed.
const LENGTH: std::ops::RangeInclusive<usize> = 16..=512;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// Looking.
    Read,
    /// Looking and changing.
    Write,
}

/// The tokens that a server knows, and the file that they are from, if any. Clones are of the same tokens.
#[derive(Clone)]
pub struct Tokens {
    file: Option<Arc<Path>>,
    known: Arc<RwLock<Known>>,
}

/// What is in a file of tokens.
type Known = Arc<[(Scope, Box<[u8]>)]>;

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({} of them)", self.known().len())
    }
}

/// Why a file of tokens cannot be used: one line for a person, without a word of its content.
#[derive(Debug, thiserror::Error)]
#[error("the token file `{}` cannot be used: {reason}", path.display())]
pub struct TokenFileError {
    path: PathBuf,
    reason: String,
}

/// Why a text of tokens cannot be used: one line for a person, without a word of its content.
#[derive(Debug, thiserror::Error)]
#[error("the tokens cannot be used: {reason}")]
pub struct TokenError {
    reason: String,
}

impl Tokens {
    /// Reads a text as a file would hold it, such as one from a store of secrets: a line is `read TOKEN` or `write TOKEN`; empty
    /// lines and those that begin with `#` are comments. A token is of 16 to 512 visible ASCII characters, and there are at most
    /// 256 of them.
    ///
    /// # Errors
    /// When it holds no token, too many, or a line of another form.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let known = parse(text).map_err(|reason| TokenError { reason })?;
        Ok(Self { file: None, known: Arc::new(RwLock::new(known)) })
    }

    /// Has this text instead of what was known until now, for requests from the next on, whatever it was read from.
    ///
    /// # Errors
    /// As [`parse`](Self::parse); then the tokens stay what they were.
    pub fn replace(&self, text: &str) -> Result<(), TokenError> {
        self.know(parse(text).map_err(|reason| TokenError { reason })?);
        Ok(())
    }

    /// Reads a file: a line is `read TOKEN` or `write TOKEN`; empty lines and those that begin with `#` are comments.
    ///
    /// # Errors
    /// When the file cannot be read, holds no token or a line of another form, or, on Unix, may be read by others than its
    /// owner, the group included.
    pub fn load(path: &Path) -> Result<Self, TokenFileError> {
        Ok(Self { file: Some(path.into()), known: Arc::new(RwLock::new(read(path)?)) })
    }

    /// Reads the file again: from the next request on, only what it holds now is known. Live events and exports that are
    /// under way go on. Those that are from no file stay.
    ///
    /// # Errors
    /// As [`load`](Self::load); then the tokens stay what they were.
    pub fn reload(&self) -> Result<(), TokenFileError> {
        if let Some(file) = &self.file {
            self.know(read(file)?);
        }
        Ok(())
    }

    fn know(&self, known: Known) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a token is good for, if it is known. Takes as long for one that is as for one that is not.
    fn scope(&self, given: &[u8]) -> Option<Scope> {
        let (mut read, mut write) = (Choice::from(0), Choice::from(0));
        for (scope, token) in &*self.known() {
            let equal = token.ct_eq(given);
            match scope {
                Scope::Read => read |= equal,
                Scope::Write => write |= equal,
            }
        }
        match (bool::from(read), bool::from(write)) {
            (_, true) => Some(Scope::Write),
            (true, false) => Some(Scope::Read),
            (false, false) => None,
        }
    }

    /// Refuses a request that has no token which is good for it.
    pub(crate) fn check(&self, head: &Parts) -> Result<(), Problem> {
        let Some(needed) = needed(head) else { return Ok(()) };
        let Some(given) = bearer(&head.headers) else {
            return Err(refusal(StatusCode::UNAUTHORIZED, "", "send a token: `Authorization: Bearer TOKEN`"));
        };
        match self.scope(given) {
            None => Err(refusal(StatusCode::UNAUTHORIZED, "invalid_token", "the token is not known here")),
            Some(scope) if scope < needed => {
                Err(refusal(StatusCode::FORBIDDEN, "insufficient_scope", "the token is for reading only"))
            }
            Some(_) => Ok(()),
        }
    }
}

fn read(path: &Path) -> Result<Known, TokenFileError> {
    let wrong = |reason: String| TokenFileError { path: path.to_owned(), reason };
    let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    // Of the file that is open, not of whatever has its name by then.
    let metadata = file.metadata().map_err(|error| wrong(error.to_string()))?;
    if is_open_to_others(&metadata) {
        return Err(wrong("others may read it: run `chmod 600` on it".to_owned()));
    }
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
    if text.len() as u64 > MAX_FILE {
        return Err(wrong(format!("it is larger than {MAX_FILE} bytes")));
    }
    parse(&text).map_err(wrong)
}

fn parse(text: &str) -> Result<Known, String> {
    let mut tokens = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = number + 1;
        let (scope, token) = match line.split_once([' ', '\t']) {
            Some(("read", token)) => (Scope::Read, token.trim_start()),
            Some(("write", token)) => (Scope::Write, token.trim_start()),
            _ => return Err(format!("line {number} is neither `read TOKEN` nor `write TOKEN`")),
        };
        if !LENGTH.contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let (least, most) = (LENGTH.start(), LENGTH.end());
            return Err(format!(
                "the token in line {number} is not of {least} to {most} visible ASCII characters: \
                 make one with `openssl rand -hex 32`"
            ));
        }
        tokens.push((scope, token.as_bytes().into()));
    }
    match tokens.len() {
        0 => Err("it holds no token: write a line such as `write TOKEN`".to_owned()),
        1..=MAX_TOKENS => Ok(tokens.into()),
        _ => Err(format!("it holds more than {MAX_TOKENS} tokens")),
    }
}

/// What a request needs: nothing where nothing about jobs is told, which is the page itself, the description of the API,
/// whether the server runs, and what may be asked.
fn needed(head: &Parts) -> Option<Scope> {
    let path = head.uri.path();
    match head.method {
        Method::OPTIONS => None,
        Method::GET | Method::HEAD => {
            (!is_open(path) && (path != "/" || head.uri.query().is_some())).then_some(Scope::Read)
        }
        _ => Some(Scope::Write),
    }
}

/// Whether nobody needs a token to read what is at this path, whatever the query.
pub(crate) fn is_open(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/openapi.json") || path.starts_with("/assets/")
}

/// The token of a request that has exactly one.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

fn refusal(status: StatusCode, error: &'static str, detail: &'static str) -> Problem {
    let challenge = match error {
        "invalid_token" => "Bearer realm=\"mailscan\", error=\"invalid_token\"",
        "insufficient_scope" => "Bearer realm=\"mailscan\", error=\"insufficient_scope\", scope=\"write\"",
        _ => "Bearer realm=\"mailscan\"",
    };
    Problem::new(status, detail).with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

#[cfg(unix)]
fn is_open_to_others(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_: &std::fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    const READ: &str = "read-0123456789abcdef";
    const WRITE: &str = "write-0123456789abcdef";

    fn tokens() -> Tokens {
        Tokens::parse(&format!("# for the page\nread {READ}\n\n  write\t{WRITE}  \n")).unwrap()
    }

    fn status(method: &str, uri: &str, authorization: &[&str]) -> Option<u16> {
        let mut request = Request::builder().method(method).uri(uri);
        for value in authorization {
            request = request.header("authorization", *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        tokens().check(&parts).err().map(|problem| problem.status.as_u16())
    }

    #[test]
    fn a_token_is_good_for_its_scope() {
        let (read, write) = (format!("Bearer {READ}"), format!("bearer  {WRITE}"));
        for (method, uri) in [("GET", "/api/v1/jobs"), ("HEAD", "/?page=api"), ("GET", "/metrics"), ("GET", "/nowhere")]
        {
            assert_eq!(status(method, uri, &[]), Some(401), "{uri}");
            assert_eq!(status(method, uri, &[&read]), None, "{uri}");
            assert_eq!(status(method, uri, &[&write]), None, "{uri}");
        }
        for method in ["POST", "DELETE", "PUT", "BREW"] {
            assert_eq!(status(method, "/api/v1/jobs", &[&read]), Some(403), "{method}");
            assert_eq!(status(method, "/api/v1/jobs", &[&write]), None, "{method}");
            assert_eq!(status(method, "/healthz", &[]), Some(401), "{method}");
        }
        for (method, uri) in [("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/"), ("GET", "/assets/main.js")] {
            assert_eq!(status(method, uri, &[]), None, "{uri}");
        }
        assert_eq!(status("OPTIONS", "/api/v1/jobs", &[]), None);
    }

    #[test]
    fn tokens_are_replaced_by_a_text_that_can_be_used() {
        let tokens = tokens();
        let error = tokens.replace("read short").unwrap_err().to_string();
        assert!(error.starts_with("the tokens cannot be used") && !error.contains("short"), "{error}");
        assert_eq!(tokens.scope(READ.as_bytes()), Some(Scope::Read));
        tokens.replace(&format!("write {READ}")).unwrap();
        tokens.reload().unwrap();
        assert_eq!((tokens.scope(READ.as_bytes()), tokens.scope(WRITE.as_bytes())), (Some(Scope::Write), None));
    }

    #[test]
    fn anything_else_is_no_token() {
        let (read, basic) = (format!("Bearer {READ}"), format!("Basic {READ}"));
        for given in [&[&*basic][..], &["Bearer"], &["Bearer "], &["Bearer x"], &[READ], &[&read, &read], &["Bearer é"]]
        {
            assert_eq!(status("GET", "/api/v1/jobs", given), Some(401), "{given:?}");
        }
        let longer = format!("{read}x");
        assert_eq!(status("GET", "/api/v1/jobs", &[&longer]), Some(401));
    }

    #[test]
    fn a_file_that_says_something_else_is_refused_without_being_repeated() {
        for (text, hint) in [
            ("", "no token"),
            ("# nothing", "no token"),
            ("admin 0123456789abcdef", "line 1"),
            ("read 0123456789abcdef\nsecret-alone", "line 2"),
            ("read short", "openssl"),
            ("read 0123456789 abcdefgh", "line 1"),
        ] {
            let error = parse(text).map(|known| known.len()).unwrap_err();
            assert!(error.contains(hint) && !error.contains("secret-alone") && !error.contains("abcdef"), "{error}");
        }
        assert_eq!(format!("{:?}", tokens()), "Tokens(2 of them)");
    }
}
