//! Which certificates are believed.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use crate::allowed::Allowed;
use crate::error::TlsError;
use crate::first_version;
use crate::trusted::{Purpose, Trusted};

/// The holder of a certificate is not among those that are let in.
#[derive(Debug, thiserror::Error)]
#[error("client certificate authentication failed")]
pub(crate) struct NotAllowed;

/// Checks an end entity against the allowed names, once its chain is verified.
fn admit(allowed: &Allowed, end_entity: &CertificateDer<'_>) -> Result<(), Error> {
    match allowed.admits(end_entity) {
        true => Ok(()),
        false => {
            let reason = OtherError(Arc::new(NotAllowed));
            Err(Error::InvalidCertificate(CertificateError::Other(reason)))
        }
    }
}

/// The part of the library's traits that is the same for all: whether who shows a certificate has
/// its key, by the `algorithms` of the verifier.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let first = first_version::as_version_3(cert);
            let cert = first.as_ref().unwrap_or(cert);
            verify_tls12_signature(message, cert, dss, &self.algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let first = first_version::as_version_3(cert);
            let cert = first.as_ref().unwrap_or(cert);
            verify_tls13_signature(message, cert, dss, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.algorithms.supported_schemes()
        }
    };
}

/// Verifies clients: signed by an authority, and allowed.
#[derive(Debug)]
pub(crate) struct Clients {
    chain: Arc<dyn ClientCertVerifier>,
    trusted: Trusted,
    algorithms: WebPkiSupportedAlgorithms,
    allowed: Allowed,
}

impl Clients {
    pub(crate) fn new(
        authorities: RootCertStore,
        trusted: Trusted,
        allowed: Allowed,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let authorities = Arc::new(authorities);
        let chain =
            WebPkiClientVerifier::builder_with_provider(authorities, Arc::clone(provider)).build();
        let chain = chain.map_err(|_| TlsError::NoAuthorities)?;
        Ok(Self {
            chain,
            trusted,
            algorithms: provider.signature_verification_algorithms,
            allowed,
        })
    }
}

impl ClientCertVerifier for Clients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let authorities = self.trusted.all();
        let first = first_version::is_signed(end_entity, authorities, &self.algorithms, now);
        let is_known = first.map_err(Error::InvalidCertificate)?
            || self
                .trusted
                .find(end_entity, Purpose::Client, now)?
                .is_some();
        if !is_known {
            self.chain
                .verify_client_cert(end_entity, intermediates, now)?;
        }
        admit(&self.allowed, end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    signatures!();
}

/// Verifies servers: signed by an authority, valid for the host, and allowed.
#[derive(Debug)]
pub(crate) struct Servers {
    chain: Arc<WebPkiServerVerifier>,
    trusted: Trusted,
    algorithms: WebPkiSupportedAlgorithms,
    allowed: Allowed,
}

impl Servers {
    pub(crate) fn new(
        authorities: RootCertStore,
        trusted: Trusted,
        allowed: Allowed,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let authorities = Arc::new(authorities);
        let chain =
            WebPkiServerVerifier::builder_with_provider(authorities, Arc::clone(provider)).build();
        Ok(Self {
            chain: chain.map_err(|_| TlsError::NoAuthorities)?,
            trusted,
            algorithms: provider.signature_verification_algorithms,
            allowed,
        })
    }
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.trusted.find(end_entity, Purpose::Server, now)? {
            Some(itself) => verify_server_name(&itself, server_name)?,
            None => {
                self.chain.verify_server_cert(
                    end_entity,
                    intermediates,
                    server_name,
                    ocsp_response,
                    now,
                )?;
            }
        }
        admit(&self.allowed, end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    signatures!();
}

/// Believes every server: what `--insecure-skip-tls-verify` and automatic certificates ask for.
#[derive(Debug)]
pub(crate) struct Anybody {
    algorithms: WebPkiSupportedAlgorithms,
}

impl Anybody {
    pub(crate) fn new(provider: &CryptoProvider) -> Self {
        Self {
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    signatures!();
}
