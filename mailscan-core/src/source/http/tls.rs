//! TLS: whom the client trusts, and what a failed handshake means in plain words.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

use crate::error::{Error, ErrorKind, Result};

/// The system's authorities, the bundled ones where the system has none, and the extra ones.
pub(super) fn config(extra_roots: &[Vec<u8>]) -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
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
