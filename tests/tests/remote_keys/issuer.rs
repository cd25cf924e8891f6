//! Another issuer: its keys, and a real HTTP server that publishes them, well or badly.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth_core::keys::generate;
use auth_core::{Algorithm, Key};
use jsonwebtoken::{EncodingKey, Header};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A key pair of the issuer.
pub(crate) struct Pair {
    pub(crate) key: Key,
    pem: String,
}

impl Pair {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let pem = generate(algorithm).unwrap();
        Self { key: Key::from_private_pem(algorithm, pem.as_bytes()).unwrap(), pem }
    }

    pub(crate) fn kid(&self) -> &str {
        self.key.kid().unwrap()
    }

    pub(crate) fn jwk(&self) -> Value {
        serde_json::to_value(self.key.public_jwk().unwrap()).unwrap()
    }

    /// A token of the issuer, as jsonwebtoken writes it, good for an hour.
    pub(crate) fn token(&self) -> String {
        self.token_named(self.kid())
    }

    pub(crate) fn token_named(&self, kid: &str) -> String {
        let now = auth_core::Clock::system().now_seconds();
        self.sign(kid, &json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "7", "jti": "1", "iat": now, "exp": now + 3600,
        }))
    }

    pub(crate) fn sign(&self, kid: &str, claims: &Value) -> String {
        let header = Header {
            kid: Some(kid.to_owned()),
            typ: Some("at+jwt".to_owned()),
            ..Header::new(self.key.algorithm())
        };
        let pem = self.pem.as_bytes();
        let key = match self.key.algorithm() {
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem),
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem),
            _ => EncodingKey::from_rsa_pem(pem),
        };
        jsonwebtoken::encode(&header, claims, &key.unwrap()).unwrap()
    }
}

pub(crate) const ISSUER: &str = "https://id.example.org";
pub(crate) const AUDIENCE: &str = "orders";

pub(crate) fn set_of(pairs: &[&Pair]) -> String {
    json!({ "keys": pairs.iter().map(|pair| pair.jwk()).collect::<Vec<_>>() }).to_string()
}

/// What a path answers.
#[derive(Clone)]
pub(crate) enum Page {
    Body(String),
    Status(u16),
    /// A body, with a status that says that it is none.
    Failed(u16, String),
    Redirect(String),
    /// The answer begins, and the rest comes a byte at a time, with so much between them.
    Slow(Duration, String),
    /// It says nothing at all.
    Silent,
    /// So many bytes, with and without saying so in the header.
    Long(usize, bool),
    /// The connection ends in the middle of what was promised.
    Cut(String),
}

type Pages = Arc<Mutex<Vec<(String, Page)>>>;

/// A web server that counts what it is asked for.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pages: Pages,
    hits: Arc<AtomicUsize>,
    serving: Option<JoinHandle<()>>,
    tls: Option<(TlsAcceptor, String)>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// One with a certificate that it signed itself; [`Server::certificate`].
    pub(crate) async fn start_tls() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        Self::start_with(Some((TlsAcceptor::from(Arc::new(config)), cert.pem()))).await
    }

    async fn start_with(tls: Option<(TlsAcceptor, String)>) -> Self {
        let mut server = Self {
            addr: "127.0.0.1:0".parse().unwrap(),
            pages: Arc::default(),
            hits: Arc::default(),
            serving: None,
            tls,
        };
        server.come_back().await;
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        match self.tls {
            None => format!("http://{}{path}", self.addr),
            Some(_) => format!("https://localhost:{}{path}", self.addr.port()),
        }
    }

    pub(crate) fn certificate(&self) -> &str {
        &self.tls.as_ref().unwrap().1
    }

    pub(crate) fn put(&self, path: &str, page: Page) {
        let mut pages = self.pages.lock().unwrap();
        pages.retain(|(other, _)| other != path);
        pages.push((path.to_owned(), page));
    }

    pub(crate) fn put_keys(&self, pairs: &[&Pair]) {
        self.put("/jwks", Page::Body(set_of(pairs)));
    }

    /// How often it was asked.
    pub(crate) fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    /// Nobody listens at its address any more.
    pub(crate) async fn go_away(&mut self) {
        let serving = self.serving.take().unwrap();
        serving.abort();
        let _ = serving.await;
    }

    pub(crate) async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.addr).await.unwrap();
        self.addr = listener.local_addr().unwrap();
        let (pages, hits) = (Arc::clone(&self.pages), Arc::clone(&self.hits));
        let tls = self.tls.as_ref().map(|(acceptor, _)| acceptor.clone());
        self.serving = Some(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (pages, hits, tls) = (Arc::clone(&pages), Arc::clone(&hits), tls.clone());
                tokio::spawn(async move {
                    // The client may go away, or not like the certificate.
                    let _ = serve(stream, tls, &pages, &hits).await;
                });
            }
        }));
    }
}

async fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    pages: &Pages,
    hits: &AtomicUsize,
) -> std::io::Result<()> {
    match tls {
        None => answer(stream, pages, hits).await,
        Some(tls) => answer(tls.accept(stream).await?, pages, hits).await,
    }
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    pages: &Pages,
    hits: &AtomicUsize,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    hits.fetch_add(1, Ordering::SeqCst);
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let page = {
        let pages = pages.lock().unwrap();
        pages.iter().find(|(other, _)| other == path).map(|(_, page)| page.clone())
    };
    let head =
        |status: u16, more: &str| format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{more}\r\n");
    match page.unwrap_or(Page::Status(404)) {
        Page::Body(body) => {
            let head = head(200, &format!("content-length: {}\r\n", body.len()));
            stream.write_all((head + &body).as_bytes()).await?;
        }
        Page::Status(status) => {
            stream.write_all(head(status, "content-length: 0\r\n").as_bytes()).await?;
        }
        Page::Failed(status, body) => {
            let head = head(status, &format!("content-length: {}\r\n", body.len()));
            stream.write_all((head + &body).as_bytes()).await?;
        }
        Page::Redirect(to) => {
            let more = format!("content-length: 0\r\nlocation: {to}\r\n");
            stream.write_all(head(302, &more).as_bytes()).await?;
        }
        Page::Slow(pause, body) => {
            let head = head(200, &format!("content-length: {}\r\n", body.len()));
            stream.write_all(head.as_bytes()).await?;
            for byte in body.bytes() {
                tokio::time::sleep(pause).await;
                stream.write_all(&[byte]).await?;
            }
        }
        Page::Silent => tokio::time::sleep(Duration::from_secs(60)).await,
        Page::Long(bytes, says_so) => {
            let more = if says_so { format!("content-length: {bytes}\r\n") } else { String::new() };
            stream.write_all(head(200, &more).as_bytes()).await?;
            let chunk = vec![b' '; 64 * 1024];
            for _ in 0..bytes / chunk.len() {
                stream.write_all(&chunk).await?;
            }
        }
        Page::Cut(body) => {
            let head = head(200, &format!("content-length: {}\r\n", body.len() * 2));
            stream.write_all((head + &body).as_bytes()).await?;
        }
    }
    stream.shutdown().await
}
