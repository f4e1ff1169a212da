//! TLS: whom the client trusts, and what a failed handshake means in plain words.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, CertificateError, InvalidMessage, RootCertStore};
use rustls_native_certs::{load_certs_from_paths, load_native_certs};

use crate::error::{Error, ErrorKind, Result};

/// The variables that name further authorities: a file of certificates in PEM, and folders of such files.
const FILE: &str = "SSL_CERT_FILE";
const FOLDERS: &str = "SSL_CERT_DIR";

/// The system's authorities, the bundled ones where the system has none, those that the environment names, and the extra ones.
pub(super) fn config(extra_roots: &[Vec<u8>]) -> Result<rustls::ClientConfig> {
    let (mut roots, wrong) = trusted(&named());
    for message in wrong {
        tracing::error!("{message}");
    }
    for certificate in extra_roots {
        roots.add(CertificateDer::from(certificate.clone())).map_err(|error| {
            Error::new(ErrorKind::Invalid, "http client", "an extra certificate cannot be read: give it as DER")
                .with_source(error)
        })?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder
        .map_err(|error| Error::new(ErrorKind::Internal, "http client", "TLS is not available").with_source(error))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// What the environment names, each with its variable.
fn named() -> Vec<(&'static str, PathBuf)> {
    let file = env::var_os(FILE).map(|file| (FILE, PathBuf::from(file)));
    let folders = env::var_os(FOLDERS);
    let folders = folders.iter().flat_map(env::split_paths).map(|folder| (FOLDERS, folder));
    file.into_iter().chain(folders).filter(|(_, path)| !path.as_os_str().is_empty()).collect()
}

/// Who is trusted where the environment names these, and what is wrong with those. They come to the others: whoever names the
/// authority of a company does not mean that nobody else is one.
fn trusted(named: &[(&'static str, PathBuf)]) -> (RootCertStore, Vec<String>) {
    let (mut roots, mut wrong) = (RootCertStore::empty(), Vec::new());
    roots.add_parsable_certificates(of_system());
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for (variable, path) in named {
        let (file, folder) = if *variable == FILE { (Some(&**path), None) } else { (None, Some(&**path)) };
        let read = load_certs_from_paths(file, folder);
        if read.certs.is_empty() {
            let why = read.errors.first().map_or_else(|| "there is none in it".to_owned(), ToString::to_string);
            let path = path.display();
            wrong.push(format!("no certificate comes of {variable} `{path}` ({why}): name one that holds some in PEM"));
        }
        roots.add_parsable_certificates(read.certs);
    }
    (roots, wrong)
}

/// The authorities of the system alone, as far as those can be had where the environment names others.
fn of_system() -> Vec<CertificateDer<'static>> {
    if env::var_os(FILE).is_none() && env::var_os(FOLDERS).is_none() {
        return load_native_certs().certs;
    }
    #[cfg(all(unix, not(target_os = "macos")))]
    return openssl_probe::candidate_cert_dirs()
        .flat_map(|folder| load_certs_from_paths(None, Some(folder)).certs)
        .collect();
    #[cfg(not(all(unix, not(target_os = "macos"))))]
    Vec::new()
}

/// Whether the next handshake with the same server is to fail as well. A server that is busy, or a line that is not sound, is no
/// reason to give a page up.
pub(super) fn is_lasting(error: &rustls::Error) -> bool {
    use AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::UnsupportedNameType
        | rustls::Error::PeerIncompatible(_)
        | rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => true,
        rustls::Error::AlertReceived(alert) => matches!(
            alert,
            Alert::HandshakeFailure
                | Alert::ProtocolVersion
                | Alert::InsufficientSecurity
                | Alert::InappropriateFallback
                | Alert::UnrecognisedName
                | Alert::AccessDenied
                | Alert::NoCertificate
                | Alert::CertificateRequired
                | Alert::BadCertificate
        ),
        _ => false,
    }
}

/// What a failed handshake means, and how it is mended.
pub(super) fn explain(error: &rustls::Error) -> String {
    use CertificateError as Wrong;
    let why = match error {
        rustls::Error::InvalidCertificate(wrong) => match wrong {
            Wrong::Expired | Wrong::ExpiredContext { .. } => "its certificate has expired",
            Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
                "its certificate is not valid yet: see whether the clock of this machine is right"
            }
            Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => "its certificate is for another name",
            Wrong::Revoked => "its certificate has been revoked",
            Wrong::UnknownIssuer => {
                "its certificate is not signed by an authority that this machine trusts: name yours in SSL_CERT_FILE"
            }
            // No list of authorities mends that, so none is spoken of. The error has no name of its own here.
            Wrong::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                "its certificate is that of an authority, as many that are self-signed: it needs one that is a server's"
            }
            _ => return format!("its certificate cannot be trusted: {error}"),
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => "it does not speak TLS: try http://",
        _ => return format!("the TLS handshake failed: {error}"),
    };
    why.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBhjCCASugAwIBAgIUH8xI057sDZD63D/ymrJGFdV3e98wCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMQW4gYXV0aG9yaXR5MCAXDTI2MTEzMDE1NTgyMloYDzIxMjYx
MTA2MTU1ODIyWjAXMRUwEwYDVQQDDAxBbiBhdXRob3JpdHkwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAASIEIIK6oHT8X9sCOqsXrpdVZGk91zcZoyGNQWkfYo8sOuU
gytxThtwo95Jpy/mcHavi7zdZnuQpXbXXPVF+uD1o1MwUTAdBgNVHQ4EFgQU1Hus
pHIlNTG84S7Lujp1v7ZRZvEwHwYDVR0jBBgwFoAU1HuspHIlNTG84S7Lujp1v7ZR
ZvEwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAqhaKUGMpocZh
EZyV3Vovd9evoxEbErwA3FInraLU6p0CIQDR8FAQT+JFKgw/KlBxVqZIvp6Lex0N
uJug3ricLfuRDA==
-----END CERTIFICATE-----
";

    #[test]
    fn authorities_that_the_environment_names_come_to_those_of_the_system() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("own.pem");
        std::fs::write(&file, AUTHORITY).unwrap();
        let (alone, nothing) = trusted(&[]);
        assert!(alone.len() > 20 && nothing.is_empty(), "{} and {nothing:?}", alone.len());
        for named in [(FILE, file.clone()), (FOLDERS, folder.path().to_owned())] {
            let (roots, wrong) = trusted(&[named]);
            assert_eq!((roots.len(), wrong), (alone.len() + 1, Vec::new()));
        }
    }

    #[test]
    fn what_brings_no_authority_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let none = folder.path().join("none.pem");
        std::fs::write(&none, "nothing").unwrap();
        let away = folder.path().join("away");
        for (variable, path, why) in
            [(FILE, &away, "No such file"), (FOLDERS, &away, "No such file"), (FILE, &none, "there is none in it")]
        {
            let (roots, wrong) = trusted(&[(variable, path.clone())]);
            assert!(roots.len() > 20 && wrong.len() == 1, "{wrong:?}");
            let says = wrong[0].contains(variable) && wrong[0].contains(why);
            assert!(says && wrong[0].contains(&*path.to_string_lossy()), "{wrong:?}");
        }
    }

    #[test]
    fn failed_handshakes_are_told_in_plain_words() {
        let of_certificate = |wrong| explain(&rustls::Error::InvalidCertificate(wrong));
        for (wrong, says) in [
            (CertificateError::Expired, "has expired"),
            (CertificateError::NotValidYet, "not valid yet"),
            (CertificateError::NotValidForName, "for another name"),
            (CertificateError::Revoked, "revoked"),
            (CertificateError::UnknownIssuer, "SSL_CERT_FILE"),
            (CertificateError::BadSignature, "cannot be trusted"),
        ] {
            let said = of_certificate(wrong);
            assert!(said.contains(says), "{said}");
        }
        let plain = rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
        assert!(explain(&plain).contains("http://") && is_lasting(&plain));
    }

    #[test]
    fn what_may_pass_is_told_from_what_stays() {
        let alert = rustls::Error::AlertReceived;
        assert!(is_lasting(&rustls::Error::InvalidCertificate(CertificateError::Expired)));
        assert!(is_lasting(&alert(AlertDescription::HandshakeFailure)));
        assert!(is_lasting(&alert(AlertDescription::UnrecognisedName)));
        assert!(!is_lasting(&alert(AlertDescription::InternalError)));
        assert!(!is_lasting(&rustls::Error::DecryptError));
    }
}
