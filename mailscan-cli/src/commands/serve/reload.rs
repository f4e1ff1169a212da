//! The files that a server reads again when it is asked to: its certificate, its tokens and its suppression list.

use mailscan_http::{Tls, Tokens};

use crate::config::SuppressionList;
use crate::render::escape;

/// What was read when the server began.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) tls: Option<Tls>,
    pub(super) tokens: Option<Tokens>,
    pub(super) list: SuppressionList,
}

impl Files {
    /// Reads the files again. What cannot be used changes nothing. Says how it went: a line for what was read, and one for
    /// each that was not.
    pub(super) async fn read_again(&self) -> Vec<String> {
        let files = self.clone();
        // Disks may be slow, and the runtime is others', too.
        let read = tokio::task::spawn_blocking(move || files.read()).await;
        read.unwrap_or_else(|error| vec![format!("nothing was read again: {error}")])
    }

    fn read(&self) -> Vec<String> {
        let tls = self.tls.as_ref().map(|tls| tls.reload().map_err(|error| error.to_string()));
        let tokens = self.tokens.as_ref().map(|tokens| tokens.reload().map_err(|error| error.to_string()));
        let all = [
            ("the certificate", "the old certificate is kept", tls),
            ("the tokens", "the old tokens are kept", tokens),
            ("the suppression list", "the old suppression list is kept", self.list.reload()),
        ];
        let (mut read, mut lines) = (Vec::new(), Vec::new());
        for (what, kept, done) in all {
            match done {
                None => {}
                Some(Ok(())) => read.push(what),
                Some(Err(reason)) => lines.push(format!("{kept}: {}", escape(&reason))),
            }
        }
        match read.as_slice() {
            [] if lines.is_empty() => {
                lines.push("there is no certificate, token file or suppression list to read again".to_owned());
            }
            [] => {}
            read => lines.insert(0, format!("read again: {}", read.join(" and "))),
        }
        lines
    }
}
