//! A port for certificates, and those who show them.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::PathBuf;

use certificates::{Authority, Files, Wish};
use server::ServerConfig;
use tempfile::TempDir;
use tls::{ClientFiles, ClientStream, ClientTls, Pair, ServerFiles, ServerTls};
use tokio::net::TcpStream;

use crate::support::Member;
use crate::support::raw::{RawClient, dial};

/// An authority that the member believes.
pub(crate) struct Certified {
    dir: TempDir,
    authority: Authority,
}

impl Certified {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            authority: Authority::new("good").unwrap(),
        }
    }

    /// Gives the member a second port, where certificates name users.
    pub(crate) fn open_port(&self, config: &mut ServerConfig) {
        let files = ServerFiles {
            client_cert_auth: true,
            trusted_ca: Some(self.ca()),
            ..ServerFiles::new(self.issue(""))
        };
        config.tls.client = Some(ServerTls::new(files).unwrap());
        config.client.push("https://127.0.0.2:0".parse().unwrap());
    }

    fn ca(&self) -> PathBuf {
        self.authority.write(&self.dir.path().join("ca")).unwrap()
    }

    fn issue(&self, common_name: &'static str) -> Pair {
        let wish = Wish {
            common_name,
            ..Wish::default()
        };
        let issued = self.authority.issue(&wish).unwrap();
        let name = format!("of {common_name}");
        let Files { cert, key } = issued.write(self.dir.path(), &name).unwrap();
        Pair { cert, key }
    }

    fn shown_by(&self, common_name: &'static str, protocol: &str) -> ClientTls {
        ClientTls::new(ClientFiles {
            pair: Some(self.issue(common_name)),
            trusted_ca: Some(self.ca()),
            protocols: vec![protocol.as_bytes().to_vec()],
            ..ClientFiles::default()
        })
        .unwrap()
    }

    /// A gRPC client that shows a certificate.
    pub(crate) async fn client(&self, member: &Member, common_name: &'static str) -> RawClient {
        let tls = self.shown_by(common_name, "h2");
        RawClient::secured(port(member), tls).await
    }

    /// A connection for HTTP/1 whose client has shown a certificate.
    pub(crate) async fn stream(
        &self,
        member: &Member,
        common_name: &'static str,
    ) -> ClientStream<TcpStream> {
        let tls = self.shown_by(common_name, "http/1.1");
        dial(port(member), &tls).await.unwrap()
    }
}

/// Host and port of the port for certificates.
fn port(member: &Member) -> &str {
    let secured = member
        .urls
        .iter()
        .find_map(|url| url.strip_prefix("https://"));
    secured.unwrap()
}
