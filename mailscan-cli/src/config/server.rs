//! How `serve` treats its clients, from what was typed.

use mailscan_core::limits::Limits;
use mailscan_http::{ServeOptions, Tls, Tokens};

use crate::args;
use crate::exit::{Failure, Result};

/// The constants by which jobs are planned, worked on and shown.
pub(crate) fn server_limits(typed: &args::Serve) -> Result<Limits> {
    super::valid(Limits { stale_after: typed.stale_after, ..super::limits(&typed.constants)? })
}

/// Reads the tokens and the certificate that were named.
pub(crate) fn server(typed: &args::Serve, max_connections: usize) -> Result<ServeOptions> {
    let args::Access { token_file, insecure_no_token, allow_host } = &typed.access;
    if !typed.listen.ip().is_loopback() && token_file.is_none() && !insecure_no_token {
        let message = format!(
            "--listen {} can be reached from other machines: say who may ask with --token-file FILE, let everybody with \
             --insecure-no-token, or give a loopback address such as 127.0.0.1:8025",
            typed.listen
        );
        return Err(Failure::Usage(message));
    }
    let failed = |error: &dyn std::error::Error| Failure::Failed(error.to_string());
    let tokens = token_file.as_ref().map(|file| Tokens::load(file)).transpose().map_err(|error| failed(&error))?;
    let files = typed.encryption.tls_cert.as_ref().zip(typed.encryption.tls_key.as_ref());
    let tls =
        files.map(|(certificate, key)| Tls::load(certificate, key)).transpose().map_err(|error| failed(&error))?;
    Ok(ServeOptions { tokens, tls, allow_hosts: allow_host.clone(), max_connections, ..ServeOptions::default() })
}

/// What a person should know of these options before the first request.
pub(crate) fn warning(typed: &args::Serve) -> Option<&'static str> {
    let reachable = !typed.listen.ip().is_loopback();
    match (reachable, typed.access.token_file.is_some(), typed.encryption.tls_cert.is_some()) {
        (true, false, _) => Some("warning: everybody who can reach this server can do everything"),
        (true, true, false) => Some("warning: tokens and addresses travel unencrypted: give --tls-cert and --tls-key"),
        _ => None,
    }
}
