//! Measures what one no-op unary call costs the server.
//!
//! `cargo run --release -p rpc --example echo_load -- <connections> <calls at once> <seconds>`
//!
//! Server and clients share the process; the server's CPU time is that of its own thread.
#![expect(clippy::unwrap_used, reason = "a failed step ends the measurement")]

use std::{
    env, fs,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proto::Method;
use rpc::{
    AccessControl, Call, Config, Handler, HttpHandler, HttpRequest, HttpResponse, Inbound,
    Listener, Outbound, PortKind, Services, SocketOptions, Status, Threads, replies,
};
use tokio::{net::TcpStream, task::JoinSet};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Echo;

impl Handler for Echo {
    const METHODS: &'static [Method] = &proto::METHODS;

    async fn unary(self: Rc<Self>, _: Call, request: Bytes) -> Result<Bytes, Status> {
        Ok(request)
    }

    async fn stream(self: Rc<Self>, _: Call, _: Inbound, _: Outbound) -> Result<(), Status> {
        Ok(())
    }
}

impl HttpHandler for Echo {
    async fn handle(self: Rc<Self>, _: HttpRequest) -> HttpResponse {
        replies::not_found()
    }
}

/// Nanoseconds that the server's thread has run.
fn server_cpu() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let server = tasks
        .map(|task| task.unwrap().path())
        .find(|task| fs::read_to_string(task.join("comm")).unwrap().trim() == "connections-0")
        .unwrap();
    let stat = fs::read_to_string(server.join("schedstat")).unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

async fn client(address: String, at_once: usize, until: Instant) -> u64 {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let io = TokioIo::new(stream);
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .handshake(io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut calls = JoinSet::new();
    for _ in 0..at_once {
        let mut sender = sender.clone();
        calls.spawn(async move {
            let mut count = 0;
            while Instant::now() < until {
                let request = Request::post("http://localhost:2379/etcdserverpb.KV/Range")
                    .header("content-type", "application/grpc")
                    .header("user-agent", "grpc-go/1.70")
                    .header("te", "trailers")
                    .header("client-api-version", "3.7")
                    .header("grpc-timeout", "4999868u")
                    .body(Full::new(Bytes::from_static(
                        b"\0\0\0\0\x22\x0a\x2012345678901234567890123456789012",
                    )))
                    .unwrap();
                let body = sender.send_request(request).await.unwrap().into_body();
                let body = body.collect().await.unwrap();
                assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
                count += 1;
            }
            count
        });
    }
    calls.join_all().await.iter().sum()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = env::args()
        .skip(1)
        .map(|word| word.parse::<usize>().unwrap());
    let mut argument = |default| arguments.next().unwrap_or(default);
    let (connections, at_once, seconds) = (argument(10), argument(10), argument(3));
    let config = Config {
        threads: 1,
        connections_max: 10_000,
        message_bytes_max: 2 * 1024 * 1024,
        max_concurrent_streams: u32::MAX,
        keepalive: None,
        ping_interval_min: Duration::ZERO,
        peer_write_timeout: Duration::from_secs(5),
        access: AccessControl::default(),
        timing: rpc::Timing::default(),
    };
    let threads = Threads::start(&config, |_| Services {
        grpc: Rc::new(Echo),
        http: Rc::new(Echo),
    })
    .unwrap();
    let any = "http://127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind(&any, SocketOptions::default()).unwrap();
    let address = listener.address().to_string().replace("http://", "");
    threads.serve(listener, PortKind::Shared, rpc::Security::Plain);

    let start = Instant::now();
    let cpu = server_cpu();
    let until = start + Duration::from_secs(seconds as u64);
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        clients.spawn(client(address.clone(), at_once, until));
    }
    let count: u64 = clients.join_all().await.iter().sum();
    let cpu = server_cpu() - cpu;
    println!(
        "{connections} connections, {at_once} calls at once: {:.0} calls/s, {:.2} µs of server CPU a call",
        count as f64 / start.elapsed().as_secs_f64(),
        cpu as f64 / 1000.0 / count as f64,
    );
    threads.shutdown(Duration::from_secs(1));
}
