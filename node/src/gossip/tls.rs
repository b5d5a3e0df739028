//! TLS as the file wants it: certificate, key, and whom to believe.
//!
//! As in Redis every node of a bus that speaks TLS shows a certificate, and one is as good as
//! another: who holds one that the authority signed is believed, whatever name is in it. Nodes are
//! known by their ids.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs};

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
};

use crate::streams::Current;

/// Whether clients have to show a certificate (`tls-auth-clients`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// One that the authority signed.
    #[default]
    Yes,
    /// They may; it has to be right then.
    Optional,
    /// They are not asked.
    No,
}

/// What the file names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// What we show, and what is between it and the authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Certificates of authorities whom to believe.
    pub authority: Option<PathBuf>,
    /// Who has to show one.
    pub clients: Auth,
}

/// What we show and whom we believe, where we listen and where we dial.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// For the bus: everybody shows a certificate.
    pub bus: Current<ServerConfig>,
    /// For clients.
    pub clients: Current<ServerConfig>,
    /// For whom we dial.
    pub dials: Current<ClientConfig>,
}

impl Credentials {
    /// New connections have these from now on.
    fn replace(&self, next: &Self) {
        let Self { bus, clients, dials } = self;
        bus.replace(&next.bus);
        clients.replace(&next.clients);
        dials.replace(&next.dials);
    }

    /// Reads the files again. The old ones stay in use unless all are right.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn renew(&self, files: &Files) -> Result<(), Unfit> {
        load(files).map(|next| self.replace(&next))
    }
}

/// Which file is wrong, by its option, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The option that names it.
    pub option: &'static str,
    /// What is wrong.
    pub what: String,
    /// What it should be.
    pub expected: &'static str,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.option, self.what)
    }
}

pub(super) const CERTIFICATE: &str = "tls-cert-file";
pub(super) const KEY: &str = "tls-key-file";
pub(super) const AUTHORITY: &str = "tls-ca-cert-file";

fn unfit(option: &'static str, path: &Path, why: impl fmt::Display) -> Unfit {
    let mut why = why.to_string();
    if why.contains("UnsupportedCertVersion") {
        why = "an X.509 v1 certificate (`openssl x509 -req -extfile FILE` makes one of v3)".into();
    }
    let expected = match option {
        CERTIFICATE => "an X.509 v3 certificate in PEM, with what is between it and the authority",
        KEY => "the certificate's private key in PEM, without a password",
        _ => "certificates of authorities in PEM",
    };
    Unfit { option, what: format!("{}: {why}", path.display()), expected }
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, Unfit> {
    fs::read(path).map_err(|error| unfit(option, path, error))
}

fn certificates(option: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Unfit> {
    let all = CertificateDer::pem_slice_iter(&read(option, path)?).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| unfit(option, path, error))?;
    if all.is_empty() { Err(unfit(option, path, "there is no certificate in it")) } else { Ok(all) }
}

/// Reads the files.
///
/// # Errors
/// The first that is wrong.
pub fn load(files: &Files) -> Result<Credentials, Unfit> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(CERTIFICATE, &files.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read(KEY, &files.key)?)
        .map_err(|error| unfit(KEY, &files.key, error))?;
    let mut roots = RootCertStore::empty();
    if let Some(path) = &files.authority {
        for root in certificates(AUTHORITY, path)? {
            roots.add(root).map_err(|error| unfit(AUTHORITY, path, error))?;
        }
    }
    let roots = Arc::new(roots);
    let wrong = |error: Error| {
        if matches!(error, Error::InvalidCertificate(_)) {
            unfit(CERTIFICATE, &files.certificate, error)
        } else {
            unfit(KEY, &files.key, error)
        }
    };
    let server = |auth| {
        let known = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let known = match auth {
            Auth::No => WebPkiClientVerifier::no_client_auth(),
            Auth::Optional => known.allow_unauthenticated().build().map_err(no_authority)?,
            Auth::Yes => known.build().map_err(no_authority)?,
        };
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            .with_client_cert_verifier(known)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(wrong)?;
        Ok(Arc::new(config))
    };
    let clients = server(files.clients)?;
    let bus = if roots.is_empty() { Arc::clone(&clients) } else { server(Auth::Yes)? };
    let known = Arc::new(Signed { roots: Arc::clone(&roots), provider: Arc::clone(&provider) });
    let mut dials = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .dangerous()
        .with_custom_certificate_verifier(known)
        .with_client_auth_cert(chain.clone(), key.clone_key())
        .map_err(wrong)?;
    dials.enable_sni = false;
    Ok(Credentials { bus: bus.into(), clients: clients.into(), dials: Arc::new(dials).into() })
}

fn no_authority(error: impl fmt::Display) -> Unfit {
    let expected = "certificates of authorities whom to believe";
    Unfit { option: AUTHORITY, what: format!("nobody could be believed: {error}"), expected }
}

/// Believes whoever an authority signed, whatever it is called.
#[derive(Debug)]
struct Signed {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Signed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = ParsedCertificate::try_from(end_entity)?;
        let known = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&shown, &self.roots, intermediates, now, known)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
