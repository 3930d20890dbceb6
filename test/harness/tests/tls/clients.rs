//! Clients of other languages that log in with a password, over TLS.

use std::fs;
use std::path::{Path, PathBuf};

use certificates::Wish;
use harness::{Member, repository, tool};
use serde_json::{Value, json};

use crate::world::{Outcome, PASSWORD, World, text};

/// A member with users, and the files for its clients: authority, certificate, key.
struct Locked {
    world: World,
    member: Member,
    files: [PathBuf; 3],
}

impl Locked {
    /// Whoever makes the users itself asks for a member without.
    fn new(has_users: bool) -> Outcome<Self> {
        let world = World::new()?;
        let member = world.start()?;
        if has_users {
            world.enable_users(&member)?;
        }
        let pair = world.issue("client", &Wish::default())?;
        let files = [world.ca()?, pair.cert, pair.key];
        Ok(Self {
            world,
            member,
            files,
        })
    }

    fn dir(&self) -> &Path {
        self.world.dir.path()
    }

    fn files(&self) -> [&str; 3] {
        self.files.each_ref().map(|path| text(path))
    }
}

fn interop(language: &str) -> PathBuf {
    repository("test/interop").join(language)
}

/// jetcd: keys, transactions, watches, leases, the Lock and Election services, users and rights.
#[test]
fn java() -> Outcome {
    for (program, version) in [("java", "-version"), ("javac", "-version"), ("mvn", "-v")] {
        tool::require(program, version)?;
    }
    let locked = Locked::new(false)?;
    let dir = locked.dir();
    fs::copy(interop("java").join("pom.xml"), dir.join("pom.xml"))?;
    let fetch = [
        "-q",
        "-B",
        "dependency:copy-dependencies",
        "-DoutputDirectory=libraries",
    ];
    tool::run(dir, "mvn", &fetch)?;
    let source = interop("java").join("src/main/java/Smoke.java");
    let compile = ["-d", "classes", "-cp", "libraries/*", text(&source)];
    tool::run(dir, "javac", &compile)?;
    let endpoint = locked.member.endpoint();
    let run = ["-cp", "classes:libraries/*", "Smoke", &endpoint];
    let output = tool::run(dir, "java", &[&run[..], &locked.files()].concat())?;
    println!("java: {}", String::from_utf8(output.stdout)?);
    Ok(())
}

#[test]
fn python() -> Outcome {
    tool::require("python3", "--version")?;
    let locked = Locked::new(true)?;
    tool::run(locked.dir(), "python3", &["-m", "venv", "venv"])?;
    let python = locked.dir().join("venv/bin/python");
    let install = ["-m", "pip", "install", "--quiet", "-r", "requirements.txt"];
    tool::run(&interop("python"), text(&python), &install)?;
    let port = locked.member.port().to_string();
    let run = [
        &["smoke.py", &port][..],
        &locked.files(),
        &["root", PASSWORD],
    ]
    .concat();
    let output = tool::run(&interop("python"), text(&python), &run)?;
    println!("python: {}", String::from_utf8(output.stdout)?);
    Ok(())
}

#[test]
fn node() -> Outcome {
    tool::require("node", "--version")?;
    tool::require("npm", "--version")?;
    let locked = Locked::new(true)?;
    for file in ["package.json", "package-lock.json", "smoke.js"] {
        fs::copy(interop("node").join(file), locked.dir().join(file))?;
    }
    tool::run(locked.dir(), "npm", &["ci", "--silent"])?;
    let endpoint = locked.member.endpoint();
    let run = [
        &["smoke.js", &endpoint][..],
        &locked.files(),
        &["root", PASSWORD],
    ]
    .concat();
    let output = tool::run(locked.dir(), "node", &run)?;
    println!("node: {}", String::from_utf8(output.stdout)?);
    Ok(())
}

/// What scripts do: a password becomes a token, and a token goes with every request.
#[test]
fn curl() -> Outcome {
    tool::require("curl", "--version")?;
    let locked = Locked::new(true)?;
    let [ca, cert, key] = locked.files();
    let ask = |path: &str, token: &str, body: Value| -> Outcome<(String, Value)> {
        let url = format!("{}{path}", locked.member.endpoint());
        let (header, body) = (format!("Authorization: {token}"), body.to_string());
        let mut words = vec!["--silent", "--show-error", "--max-time", "60", &url];
        words.extend(["--cacert", ca, "--cert", cert, "--key", key]);
        words.extend(["--data", &body, "--write-out", "\n%{http_code}"]);
        if !token.is_empty() {
            words.extend(["--header", &header]);
        }
        let output = tool::run(locked.dir(), "curl", &words)?;
        let text = String::from_utf8(output.stdout)?;
        let (body, status) = text.rsplit_once('\n').ok_or("no status")?;
        Ok((status.to_owned(), serde_json::from_str(body)?))
    };
    let login = json!({"name": "root", "password": PASSWORD});
    let (_, answer) = ask("/v3/auth/authenticate", "", login)?;
    let token = answer["token"].as_str().ok_or("no token")?;
    let pair = json!({"key": "Zm9v", "value": "YmFy"});
    let (status, answer) = ask("/v3/kv/put", token, pair.clone())?;
    assert_eq!(status, "200", "{answer}");
    let (_, answer) = ask("/v3/kv/range", token, json!({"key": "Zm9v"}))?;
    assert_eq!(answer["kvs"][0]["value"], "YmFy");
    let (status, answer) = ask("/v3/kv/put", "", pair.clone())?;
    assert_eq!((&*status, &answer["code"]), ("400", &json!(3)), "{answer}");
    let (status, answer) = ask("/v3/kv/put", "nobody's", pair)?;
    assert_eq!((&*status, &answer["code"]), ("401", &json!(16)), "{answer}");
    Ok(())
}
