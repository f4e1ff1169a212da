//! TLS: a certificate and its key from files, read again when they change or somebody says so.
//!
//! Whoever renews certificates replaces the files; connections that begin afterwards get the new one. A pair that cannot
//! be used, such as one of which half is written, changes nothing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// The certificate that a server shows, and where it comes from.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
}

/// Why a certificate cannot be used: one line for a person.
#[derive(Debug, thiserror::Error)]
#[error("the certificate `{}` with the key `{}` cannot be used: {reason}", certificate.display(), key.display())]
pub struct TlsError {
    certificate: PathBuf,
    key: PathBuf,
    reason: String,
}

/// The files, and what was in them last.
#[derive(Debug)]
struct Current {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    shown: RwLock<Arc<CertifiedKey>>,
}

impl Tls {
    /// Reads a certificate, followed by those that lead to its authority, and its private key, both in PEM.
    ///
    /// # Errors
    /// When a file cannot be read or holds something else, or the key is not the certificate's.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let wrong = |reason: String| TlsError { certificate: certificate.to_owned(), key: key.to_owned(), reason };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let shown = RwLock::new(Arc::new(read(certificate, key, &provider).map_err(wrong)?));
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let current = Arc::new(Current { certificate, key, provider: provider.clone(), shown });
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| TlsError {
            certificate: current.certificate.clone(),
            key: current.key.clone(),
            reason: error.to_string(),
        })?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), current })
    }

    /// Reads the files again now; connections that begin afterwards are shown what is in them.
    ///
    /// # Errors
    /// As [`load`](Self::load); then the certificate stays what it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let Current { certificate, key, .. } = &*self.current;
        let wrong = |reason| TlsError { certificate: certificate.clone(), key: key.clone(), reason };
        self.current.read().map_err(wrong)
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }

    /// Reads the files again whenever they have changed, until it is dropped.
    pub(crate) async fn follow(self) {
        let mut known = self.current.stamp();
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let current = self.current.clone();
            // Disks may be slow, and the runtime is others', too.
            let Ok((stamp, read)) = tokio::task::spawn_blocking(move || current.read_if_changed(known)).await else {
                continue;
            };
            known = stamp;
            match read {
                None => {}
                Some(Ok(())) => tracing::info!("a new certificate is shown"),
                Some(Err(reason)) => tracing::warn!(%reason, "the new certificate cannot be used: the old one stays"),
            }
        }
    }
}

/// When the files were changed last; `None` for one that is not there.
type Stamp = [Option<SystemTime>; 2];

impl Current {
    fn stamp(&self) -> Stamp {
        let changed = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        [changed(&self.certificate), changed(&self.key)]
    }

    fn read_if_changed(&self, known: Stamp) -> (Stamp, Option<Result<(), String>>) {
        let stamp = self.stamp();
        if stamp == known {
            return (stamp, None);
        }
        (stamp, Some(self.read()))
    }

    fn read(&self) -> Result<(), String> {
        let new = Arc::new(read(&self.certificate, &self.key, &self.provider)?);
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn read(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| format!("the certificate: {error}"))?;
    if chain.is_empty() {
        return Err("the certificate: there is none in the file".to_owned());
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("the key: {error}"))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| error.to_string())
}
