//! TLS of the API, for those without a load balancer: a certificate and its key from files, which are read again when they
//! change, so that a renewed certificate needs no restart.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config;
use crate::in_time::read_small;

/// The time between two looks at the files.
const LOOK: Duration = Duration::from_secs(10);

/// Tells one content of both files from another.
type Digest = [u8; 32];

/// The certificate and the key of a listener. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tls {
    files: Arc<Files>,
    /// What the files contained at the start.
    first: Digest,
    current: Arc<ArcSwap<ServerConfig>>,
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What both files contain. Without `Debug`: nothing may print the key.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Why the files cannot be used. The key never stands in the text.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{0}: cannot be read")]
    Unreadable(String, #[source] io::Error),
    /// A file does not contain what it should.
    #[error("{0}: {1}")]
    Malformed(String, &'static str),
    /// The certificate and the key do not fit together, or are of a kind that is not supported.
    #[error("{0}: the certificate and the key cannot be used")]
    Unusable(String, #[source] tokio_rustls::rustls::Error),
}

impl Tls {
    /// As configured; none without files.
    ///
    /// # Errors
    ///
    /// [`TlsError`] for files that cannot be used.
    pub fn new(config: &config::Api) -> Result<Option<Tls>, TlsError> {
        let (Some(certificate), Some(key)) = (&config.tls_cert_file, &config.tls_key_file) else {
            return Ok(None);
        };
        let files = Files { certificate: certificate.into(), key: key.into() };
        let read = files.read()?;
        let current = Arc::new(ArcSwap::from_pointee(files.config(&read)?));
        Ok(Some(Tls { files: Arc::new(files), first: read.digest(), current }))
    }

    /// Looks at the files until `stop`. An edit that cannot be used is logged once, and the earlier one stays.
    pub async fn follow(self, stop: CancellationToken) {
        let mut last = self.first;
        while stop.run_until_cancelled(sleep(LOOK)).await.is_some() {
            // They are being replaced, or were removed: the next start says so.
            let Ok(read) = self.files.read() else { continue };
            let digest = read.digest();
            if last == digest {
                continue;
            }
            match self.files.config(&read) {
                Ok(config) => {
                    self.current.store(Arc::new(config));
                    info!("api: the new certificate is in use");
                }
                Err(error) => error!(
                    error = &error as &dyn std::error::Error,
                    "api: the new certificate cannot be used, the earlier one stays in use: {error}; repair the files"
                ),
            }
            last = digest;
        }
    }

    /// Agrees with a client on TLS.
    pub(super) async fn handshake<Io>(&self, io: Io) -> io::Result<TlsStream<Io>>
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        TlsAcceptor::from(self.current.load_full()).accept(io).await
    }
}

impl Contents {
    fn digest(&self) -> Digest {
        Sha256::new()
            .chain_update(&self.certificate)
            .chain_update([0])
            .chain_update(&self.key)
            .finalize()
            .into()
    }
}

impl Files {
    fn read(&self) -> Result<Contents, TlsError> {
        let read = |path: &Path| {
            read_small(path).map_err(|error| TlsError::Unreadable(path.display().to_string(), error))
        };
        Ok(Contents { certificate: read(&self.certificate)?, key: read(&self.key)? })
    }

    fn config(&self, contents: &Contents) -> Result<ServerConfig, TlsError> {
        let malformed = |path: &Path, why| TlsError::Malformed(path.display().to_string(), why);
        let chain: Result<Vec<_>, pem::Error> =
            CertificateDer::pem_slice_iter(&contents.certificate).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain =
            chain.ok_or_else(|| malformed(&self.certificate, "is not a chain of PEM certificates"))?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key);
        let key = key.map_err(|_| malformed(&self.key, "is not a PEM private key without a passphrase"))?;
        let unusable = |error| TlsError::Unusable(self.certificate.display().to_string(), error);
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|versions| versions.with_no_client_auth().with_single_cert(chain, key))
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}
