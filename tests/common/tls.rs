//! A TLS front for a server on the loopback, under a certificate that nobody knows unless told.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};

/// How long one side is listened to before the other has its turn.
const TURN: Duration = Duration::from_millis(5);

pub struct TlsFront {
    pub address: SocketAddr,
    /// What a client has to trust, in PEM.
    pub certificate: Vec<u8>,
}

impl TlsFront {
    /// Hands on to `server` what comes in under a certificate of its own for 127.0.0.1.
    pub fn of(server: SocketAddr) -> Self {
        let (certificate, key) = self_signed();
        let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls()).expect("OpenSSL is built in");
        acceptor.set_private_key(&key).expect("the key is usable");
        acceptor
            .set_certificate(&certificate)
            .expect("the certificate is usable");
        let acceptor = acceptor.build();
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let address = listener.local_addr().expect("the listener has an address");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let acceptor = acceptor.clone();
                thread::spawn(move || {
                    // A client that does not trust us goes away.
                    if let (Ok(outside), Ok(inside)) = (acceptor.accept(stream), TcpStream::connect(server)) {
                        outside.get_ref().set_read_timeout(Some(TURN)).expect("a time-out");
                        inside.set_read_timeout(Some(TURN)).expect("a time-out");
                        hand_on(outside, inside);
                    }
                });
            }
        });
        Self {
            address,
            certificate: certificate.to_pem().expect("a certificate can be written"),
        }
    }
}

fn hand_on(mut outside: impl Read + Write, mut inside: TcpStream) {
    while handed_on(&mut outside, &mut inside) && handed_on(&mut inside, &mut outside) {}
}

/// What is there now; `false` when one side has gone.
fn handed_on(from: &mut impl Read, to: &mut impl Write) -> bool {
    let mut buffer = [0; 16 * 1024];
    match from.read(&mut buffer) {
        Ok(0) => false,
        Ok(length) => to.write_all(&buffer[..length]).is_ok(),
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

fn self_signed() -> (X509, PKey<Private>) {
    let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    let mut name = X509Name::builder().expect("a name");
    name.append_entry_by_text("CN", "receiver").expect("a name");
    let name = name.build();
    let mut builder = X509::builder().expect("a certificate");
    builder.set_version(2).expect("a version");
    builder.set_subject_name(&name).expect("a subject");
    builder.set_issuer_name(&name).expect("an issuer");
    builder.set_pubkey(&key).expect("a public key");
    let [begins, ends] = [0, 1].map(|days| Asn1Time::days_from_now(days).expect("a time"));
    builder.set_not_before(&begins).expect("a beginning");
    builder.set_not_after(&ends).expect("an end");
    let authority = BasicConstraints::new().critical().ca().build().expect("an extension");
    builder.append_extension(authority).expect("an extension");
    let context = builder.x509v3_context(None, None);
    let alternative = SubjectAlternativeName::new()
        .ip("127.0.0.1")
        .build(&context)
        .expect("an extension");
    builder.append_extension(alternative).expect("an extension");
    builder.sign(&key, MessageDigest::sha256()).expect("a signature");
    (builder.build(), key)
}
