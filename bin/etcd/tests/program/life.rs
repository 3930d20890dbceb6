//! From the start to the signal that ends it.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;

use super::member::Member;
use super::run::run;

/// A member is started, asked, stopped and started again, as every supervisor does.
#[test]
fn a_life() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let socket = dir.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();

    let mut member = Member::start(Member::command(&data_dir).env("NOTIFY_SOCKET", &socket));
    let mut buffer = [0; 16];
    let len = manager.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"READY=1");
    assert_eq!(
        member.line("Initialize and start etcd server")["dir-type"],
        "empty"
    );
    assert_eq!(
        member.line("starting local member")["local-member-id"],
        "8e9e05c52164694d"
    );
    assert_eq!(
        member.line("starting an etcd server")["election-timeout"],
        "1s"
    );
    let urls = &member.line("now serving peer/client/metrics")["listen-client-urls"];
    assert_eq!(urls[0], format!("http://{}", member.address));
    let mode = std::fs::metadata(&data_dir).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let version = r#"{"etcdserver":"3.7.1","etcdcluster":"3.7.0","storage":"3.7.0"}"#;
    assert_eq!(member.get("/version"), version);

    assert_eq!(member.end(Signal::TERM), Some(15));
    assert_eq!(
        member.line("received signal; shutting down")["signal"],
        "terminated"
    );
    member.line("closing etcd server");
    member.line("closed etcd server");

    std::fs::write(data_dir.join("lost+found"), "").unwrap();
    let mut member = Member::start(&mut Member::command(&data_dir));
    assert_eq!(
        member.line("server has already been initialized")["dir-type"],
        "member"
    );
    member.line("restarting local member");
    assert_eq!(
        member.line("found invalid file under data directory")["filename"],
        "lost+found"
    );
    assert_eq!(member.end(Signal::INT), Some(2));
}

/// CVE-2020-15113: whoever can enter the directory can read what is in it, and is told so.
#[test]
fn cve_2020_15113_loose_permissions() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    std::fs::create_dir(&data_dir).unwrap();
    std::fs::set_permissions(&data_dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut member = Member::start(&mut Member::command(&data_dir));
    let warned = member.line("check file permission");
    assert_eq!(warned["level"], "warn");
    let error = warned["error"].as_str().unwrap();
    assert!(
        error.contains("but the permission is \"drwxr-xr-x\"."),
        "{error}"
    );
    // What the member makes itself, nobody else can enter.
    let mode = std::fs::metadata(data_dir.join("member"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(member.end(Signal::INT), Some(2));
}

/// Two processes on one directory would destroy it.
#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut member = Member::start(&mut Member::command(dir.path()));
    let second = run(&mut Member::command(dir.path()));
    assert_eq!(second.status, Some(1));
    let error = second.line("discovery failed")["error"].to_string();
    assert!(error.contains("is locked by another process"), "{error}");
    assert!(member.get("/health").contains("\"health\":\"true\""));

    let taken = format!("http://{}", member.address);
    let other = dir.path().join("other");
    let third = run(Member::command(&other).arg(format!("--listen-client-urls={taken}")));
    assert_eq!(third.status, Some(1));
    let error = format!(
        "listen tcp {}: bind: address already in use",
        member.address
    );
    assert_eq!(third.line("discovery failed")["error"], error);
    member.end(Signal::TERM);
}

#[test]
fn sockets_and_ports_of_many_kinds() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("client.sock");
    let mut member = Member::start(Member::command(&dir.path().join("data")).args([
        format!("--listen-client-urls=unix://{}", socket.display()),
        "--listen-client-http-urls=http://127.0.0.1:0".to_owned(),
        "--listen-metrics-urls=http://127.0.0.1:0".to_owned(),
        format!("--wal-dir={}", dir.path().join("wal").display()),
        "--unsafe-no-fsync".to_owned(),
    ]));
    let first = member.line("serving client traffic insecurely; this is strongly discouraged!");
    assert_eq!(first["traffic"], "grpc");
    assert_eq!(first["address"], socket.display().to_string());
    assert!(socket.exists());
    assert!(dir.path().join("wal").read_dir().unwrap().count() > 0);
    assert!(!dir.path().join("data/member/wal").exists());
    assert_eq!(member.end(Signal::TERM), Some(15));
    assert!(!socket.exists());
}

#[test]
fn everything_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("etcd.yml");
    let text = format!(
        "name: m1\ndata-dir: {}\nlisten-client-urls: http://127.0.0.1:0\n\
         listen-peer-urls: http://127.0.0.1:0\nadvertise-client-urls: http://127.0.0.1:2379\n\
         initial-cluster: m1=http://localhost:2380\nquota-backend-bytes: 1000000\n\
         watch-progress-notify-interval: 600000000000\nlog-outputs: [stderr]\n",
        dir.path().join("data").display()
    );
    std::fs::write(&path, text).unwrap();
    let mut command = super::run::program();
    let mut member = Member::start(command.env("ETCD_CONFIG_FILE", &path).args(["--name", "x"]));
    let dump = member.line("starting an etcd server");
    assert_eq!(
        (&dump["name"], &dump["quota-backend-bytes"]),
        (&"m1".into(), &1_000_000.into())
    );
    member.end(Signal::TERM);
}
