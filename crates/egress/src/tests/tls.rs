//! Whose certificates are believed.

use std::io::Write;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, version};
use tempfile::NamedTempFile;
use tokio_rustls::TlsAcceptor;

use super::listener::{Listener, Then, converse};
use super::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// Serves one answer under a certificate for `name`; also returns the certificate as a file.
async fn serve(name: &str, old: bool) -> (Listener, NamedTempFile) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([name.to_owned()]).unwrap();
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(cert.pem().as_bytes()).unwrap();
    let acceptor = acceptor(cert.der().clone(), &signing_key, old);
    let (listener, socket) = Listener::bind().await;
    let received = listener.received_by();
    tokio::spawn(async move {
        while let Some(stream) = socket.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(converse(
                    stream,
                    OK.to_vec(),
                    Then::Stay,
                    Arc::clone(&received),
                ));
            }
        }
    });
    (listener, file)
}

fn acceptor(
    cert: rustls::pki_types::CertificateDer<'static>,
    key: &KeyPair,
    old: bool,
) -> TlsAcceptor {
    let versions = if old {
        &[&version::TLS12][..]
    } else {
        &[&version::TLS13][..]
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn call(
    listener: &Listener,
    roots_file: Option<&NamedTempFile>,
) -> Result<Response<Body>, Failure> {
    let policy = Policy {
        roots_file: roots_file.map(|file| file.path().to_owned()),
        ..opened(LOOPBACK)
    };
    let egress = resolving(policy, &[&["127.0.0.1"]]);
    let url = format!("https://upstream.example:{}/", listener.port());
    let uri = egress.check_url(&url)?.uri().clone();
    let request = Request::post(uri)
        .header("authorization", "Bearer s3cret")
        .body(Bytes::from_static(b"{}"));
    egress.send(request.unwrap(), &PATIENT).await
}

#[tokio::test]
async fn an_unknown_certificate_is_refused_and_nothing_is_sent() {
    let (listener, _) = serve("upstream.example", false).await;
    let failure = call(&listener, None).await.unwrap_err();
    assert!(matches!(failure, Failure::Tls(_)), "{failure:?}");
    assert_eq!(
        (failure.sent(), listener.received()),
        (Sent::Never, String::new())
    );
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    for name in ["other.example", "127.0.0.1"] {
        let (listener, file) = serve(name, false).await;
        let failure = call(&listener, Some(&file)).await.unwrap_err();
        assert!(matches!(failure, Failure::Tls(_)), "{failure:?}");
        assert_eq!(listener.received(), "");
    }
}

#[tokio::test]
async fn a_root_of_the_operator_is_believed() {
    for old in [false, true] {
        let (listener, file) = serve("upstream.example", old).await;
        assert_eq!(call(&listener, Some(&file)).await.unwrap().status(), 200);
        assert!(listener.received().contains("Bearer s3cret"));
    }
}

#[tokio::test]
async fn a_server_without_tls_is_a_tls_failure() {
    let listener = Listener::answering(OK, Then::Close).await;
    let failure = call(&listener, None).await.unwrap_err();
    assert!(matches!(failure, Failure::Tls(_)), "{failure:?}");
    assert!(!listener.received().contains("s3cret"));
}

#[test]
fn a_file_without_a_usable_certificate_stops_the_start() {
    let with = |text: &str| {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let policy = Policy {
            roots_file: Some(file.path().to_owned()),
            ..Policy::default()
        };
        Egress::new(policy).err().unwrap()
    };
    assert!(matches!(with(""), SetupError::Empty { .. }));
    assert!(matches!(
        with("-----BEGIN CERTIFICATE-----\n"),
        SetupError::NotPem { .. }
    ));
    let missing = Policy {
        roots_file: Some("/nonexistent.pem".into()),
        ..Policy::default()
    };
    assert!(matches!(
        Egress::new(missing),
        Err(SetupError::Unreadable { .. })
    ));
}
