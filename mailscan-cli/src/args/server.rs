//! Options of the commands that work for others than the person at the keyboard.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use mailscan_core::source::http::IpNet;

use super::values::{host, network};

/// Which network addresses jobs may reach that others hand in.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct Networks {
    /// Let jobs fetch from this network although it is not public, such as 10.1.0.0/16; may be given again
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub(crate) allow_network: Vec<IpNet>,
}

/// Who may ask a server, and by which names.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct Access {
    /// A file of tokens, a line each: `read TOKEN` or `write TOKEN`; requests then need one. Only you may be able to read it.
    /// It is read again on SIGHUP
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Let everybody who can reach the server do everything, although other machines may be able to
    #[arg(long, conflicts_with = "token_file")]
    pub(crate) insecure_no_token: bool,
    /// A name by which the server is asked, beside localhost; may be given again
    #[arg(long, value_name = "NAME", value_parser = host)]
    pub(crate) allow_host: Vec<String>,
}

/// How connections to a server are encrypted.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct Encryption {
    /// Serve over TLS with this certificate and what leads to its authority, in PEM; read again when it changes, and on SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}
