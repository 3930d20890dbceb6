//! A forwarder between sockets: who gets a connection, what happens when nobody is there, and who has
//! to prove who they are.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use certificates::{Authority, Wish};
use proxy::forward::{self, Config, Endpoint, Forwarder};
use tls::{Pair, ServerFiles, ServerTls};

/// A server that says its name and then what it hears, until the connection ends.
fn server(listener: TcpListener, name: &'static str) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                stream.write_all(name.as_bytes()).unwrap();
                let mut all = Vec::new();
                // The other side has closed its half only.
                if stream.read_to_end(&mut all).is_ok() {
                    let _ = stream.write_all(&all);
                }
            });
        }
    });
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn config(endpoints: &[&str]) -> Config {
    let endpoints = endpoints
        .iter()
        .map(|text| Endpoint::parse(text, false).unwrap());
    Config {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        endpoints: endpoints.collect(),
        retry_delay: Duration::from_millis(20),
        connections_max: 100,
        verifier: None,
    }
}

/// Runs a forwarder until the test process ends.
fn start(config: Config) -> SocketAddr {
    let (sender, receiver): (_, Receiver<SocketAddr>) = channel();
    std::thread::spawn(move || {
        let forwarder = Forwarder::bind(config).unwrap();
        sender.send(forwarder.addresses().unwrap()[0]).unwrap();
        forwarder.run().unwrap();
    });
    receiver.recv().unwrap()
}

/// What one connection brings; nothing when it is closed at once.
fn ask(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut all = String::new();
    let _ = stream.read_to_string(&mut all);
    all
}

/// Both ways, each end by itself: a stream that is half closed still brings its answer.
#[test]
fn connections_are_copied_in_turn() {
    let (a, at_a) = listen();
    let (b, at_b) = listen();
    server(a, "a");
    server(b, "b");
    let address = start(config(&[&at_a, &at_b]));
    assert_eq!(ask(address, "1"), "a1");
    assert_eq!(ask(address, "2"), "b2");
    assert_eq!(ask(address, &"x".repeat(1 << 20)).len(), 1 + (1 << 20));
}

/// A client never sees a member that is away while another one is there; and when none is, the
/// first that comes back is found by the next client.
#[test]
fn members_that_are_away_are_passed_over() {
    let (a, at_a) = listen();
    let (gone, at_gone) = listen();
    drop(gone);
    server(a, "a");
    let address = start(config(&[&at_gone, &at_a]));
    for _ in 0..4 {
        assert_eq!(ask(address, "x"), "ax");
    }
    let away = start(Config {
        retry_delay: Duration::from_secs(600),
        ..config(&[&at_gone])
    });
    assert_eq!(ask(away, "x"), "");
    assert_eq!(ask(away, "x"), "");
    server(TcpListener::bind(&at_gone).unwrap(), "back");
    assert_eq!(ask(away, "x"), "backx");
}

/// An endpoint that shows another authority's certificate is never connected to a client.
#[test]
fn endpoints_prove_who_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let good = Authority::new("good").unwrap();
    let bad = Authority::new("bad").unwrap();
    let ca = good.write(&dir.path().join("ca.pem")).unwrap();
    let verifier = Some(forward::verifier(Some(ca)).unwrap());
    let mut endpoints = Vec::new();
    for (authority, name) in [(&good, "good"), (&bad, "bad")] {
        let files = authority.issue(&Wish::default()).unwrap();
        let files = files.write(dir.path(), name).unwrap();
        let (listener, address) = listen();
        endpoints.push(Endpoint::parse(&format!("https://{address}"), true).unwrap());
        serve_tls(
            listener,
            Pair {
                cert: files.cert,
                key: files.key,
            },
        );
    }
    let (plain, at_plain) = listen();
    server(plain, "plain");
    endpoints.push(Endpoint::parse(&at_plain, true).unwrap());
    let (silent, at_silent) = listen();
    drop(silent);
    endpoints.push(Endpoint::parse(&at_silent, true).unwrap());
    let mut refused = Vec::new();
    let kept = forward::verified(endpoints.clone(), verifier.as_ref(), |endpoint, _| {
        refused.push(endpoint.clone());
    });
    assert_eq!(kept, [endpoints[0].clone(), endpoints[3].clone()]);
    assert_eq!(refused, endpoints[1..3]);

    // Who was away has to prove it when it is back.
    let address = start(Config {
        endpoints: vec![endpoints[3].clone()],
        verifier,
        ..config(&[])
    });
    assert_eq!(ask(address, "x"), "");
    server(TcpListener::bind(&at_silent).unwrap(), "impostor");
    for _ in 0..3 {
        assert_eq!(ask(address, "x"), "");
    }
}

/// A server that shakes hands and nothing else.
fn serve_tls(listener: TcpListener, pair: Pair) {
    let tls = ServerTls::new(ServerFiles::new(pair)).unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Who does not like the certificate goes away.
                let _ = tls.accept(stream, None).await;
            }
        });
    });
}
