//! `make-mirror`: copies keys to another cluster, and keeps the copy up to date.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use client::{Client, ClientError, Config, prefix_end};
use proto::error::Error as Known;
use proto::etcdserverpb::{
    DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest, WatchCreateRequest,
    WatchResponse, request_op::Request,
};
use proto::mvccpb::{Event, event::EventType};

use super::operands::{OPEN_END, choose_one, only};
use super::progress::Progress;
use crate::exit::Exit;
use crate::flags::{Arguments, Command, Flag, Kind, Run, group};
use crate::invocation::{Invocation, User, connect};
use crate::print;
use crate::secure;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "make-mirror",
    operands: "[options] <destination>",
    about: "Mirrors keys to another cluster",
    group: group::UTILITY,
    flags: &[
        Flag::text("prefix", "", "mirror only keys that begin so"),
        Flag::text(
            "dest-prefix",
            "",
            "what takes the place of the prefix at the destination",
        ),
        Flag::switch("no-dest-prefix", "drop the prefix at the destination"),
        Flag::int(
            "rev",
            "0",
            "follow changes from this revision on, without copying first",
        ),
        Flag::of(
            "max-txn-ops",
            Kind::Uint,
            "128",
            "most operations of one transaction",
        ),
        Flag::text(
            "dest-cert",
            "",
            "client certificate file for the destination",
        ),
        Flag::text("dest-key", "", "file with the key of that certificate"),
        Flag::text(
            "dest-cacert",
            "",
            "file with the authorities for the destination",
        ),
        Flag::of(
            "dest-insecure-transport",
            Kind::Bool,
            "true",
            "connect to the destination without TLS",
        ),
        Flag::text("dest-user", "", "name[:password] at the destination"),
        Flag::text(
            "dest-password",
            "",
            "password at the destination; --dest-user is then the name alone",
        ),
    ],
    run: Run::Do(|invocation| Box::pin(run(invocation))),
    ..Command::EMPTY
};

/// The flags for TLS with the destination.
const DESTINATION: secure::Names = secure::Names {
    cert: "dest-cert",
    key: "dest-key",
    cacert: "dest-cacert",
    insecure: "dest-insecure-transport",
};

/// How often the number of copied keys is printed.
const REPORT_PERIOD: Duration = Duration::from_secs(30);
/// Keys that one read of the first copy fetches.
const PAGE: i64 = 1000;

async fn run(invocation: Invocation) -> Result<(), Exit> {
    let arguments = &invocation.arguments;
    let destination = only(arguments, "make-mirror takes one destination argument")?;
    if !arguments.text("dest-prefix").is_empty() && arguments.bool("no-dest-prefix") {
        return Err(choose_one("dest-prefix", "no-dest-prefix"));
    }
    let session = invocation.session()?;
    let target_config = target_config(arguments, &session.config, &destination)?;
    let mirror = Mirror {
        source: session.client().await?,
        target: connect(target_config).await?,
        rename: Rename::new(arguments),
        operations_max: usize::try_from(arguments.uint("max-txn-ops"))
            .unwrap_or(usize::MAX)
            .max(1),
        copied: Arc::new(AtomicU64::new(0)),
    };
    let copied = Arc::clone(&mirror.copied);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(REPORT_PERIOD).await;
            let total = copied.load(Ordering::Relaxed);
            if print::line(&total.to_string()).is_err() {
                return;
            }
        }
    });
    let start = match arguments.int("rev") {
        0 => mirror.copy().await? + 1,
        revision => revision,
    };
    mirror.follow(start).await
}

/// Settings for the destination: its address and user, and the rest as for the source.
fn target_config(
    arguments: &Arguments,
    source: &Config,
    destination: &str,
) -> Result<Config, Exit> {
    let user = User {
        text: arguments.text("dest-user"),
        password: arguments.text("dest-password"),
        prompt: "Destination Password: ",
    };
    let mut config = Config {
        endpoints: vec![destination.to_owned()],
        credentials: user.credentials()?,
        ..source.clone()
    };
    secure::apply(arguments, &DESTINATION, source.tls.skip_verify, &mut config)?;
    Ok(config)
}

struct Mirror {
    source: Client,
    target: Client,
    rename: Rename,
    operations_max: usize,
    copied: Arc<AtomicU64>,
}

impl Mirror {
    /// Copies all keys as they are at one revision, which is returned.
    async fn copy(&self) -> Result<i64, Exit> {
        let mut request = RangeRequest {
            limit: PAGE,
            ..self.rename.range()
        };
        let mut progress = None;
        let mut done = 0;
        loop {
            let page = self.source.range(request.clone()).await?;
            let total = page.count.unsigned_abs();
            let progress = progress.get_or_insert_with(|| Progress::new(total));
            if request.revision == 0 {
                request.revision = page.header.unwrap_or_default().revision;
            }
            let last = page.kvs.last().map(|kv| kv.key.clone());
            for kv in page.kvs {
                let put = self.rename.put(&kv.key, kv.value);
                self.target.put(put).await?;
                self.copied.fetch_add(1, Ordering::Relaxed);
                done += 1;
                progress.set(done);
            }
            match last {
                Some(last) if page.more => request.key = [&last[..], b"\0"].concat().into(),
                _ => {
                    progress.finish();
                    return Ok(request.revision);
                }
            }
        }
    }

    /// Repeats every change from `start` on; only a failure ends it.
    async fn follow(&self, start: i64) -> Result<(), Exit> {
        let range = self.rename.range();
        let watcher = self.source.watcher(false);
        let request = WatchCreateRequest {
            key: range.key,
            range_end: range.range_end,
            start_revision: start,
            ..WatchCreateRequest::default()
        };
        let mut watch = watcher.watch(request).await;
        while let Some(answer) = watch.next().await {
            let answer = answer?;
            check(&answer)?;
            for events in by_revision(&answer.events) {
                self.repeat(events).await?;
            }
        }
        Err(ClientError::Canceled.into())
    }

    /// Repeats the changes of one revision, together as far as a transaction may be long.
    async fn repeat(&self, events: &[Event]) -> Result<(), Exit> {
        for part in events.chunks(self.operations_max) {
            let success = part
                .iter()
                .filter_map(|event| self.rename.operation(event))
                .collect();
            let request = TxnRequest {
                success,
                ..TxnRequest::default()
            };
            self.target.txn(request).await?;
            self.copied.fetch_add(part.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn check(answer: &WatchResponse) -> Result<(), Exit> {
    if answer.compact_revision != 0 {
        return Err(Exit::error(Known::Compacted.text()));
    }
    if answer.canceled {
        return Err(Exit::error(answer.cancel_reason.clone()));
    }
    Ok(())
}

fn by_revision(events: &[Event]) -> impl Iterator<Item = &[Event]> {
    let revision = |event: &Event| event.kv.as_ref().map(|kv| kv.mod_revision);
    events.chunk_by(move |one, next| revision(one) == revision(next))
}

/// What keys are mirrored, and what they are called at the destination.
struct Rename {
    prefix: Vec<u8>,
    target_prefix: Vec<u8>,
}

impl Rename {
    fn new(arguments: &Arguments) -> Self {
        let prefix = arguments.text("prefix");
        let target = arguments.text("dest-prefix");
        let target_prefix = match (arguments.bool("no-dest-prefix"), target.is_empty()) {
            (true, _) => String::new(),
            (false, true) => prefix.clone(),
            (false, false) => target,
        };
        Self {
            prefix: prefix.into_bytes(),
            target_prefix: target_prefix.into_bytes(),
        }
    }

    fn range(&self) -> RangeRequest {
        let (key, range_end) = match &self.prefix[..] {
            b"" => (OPEN_END, OPEN_END),
            prefix => (prefix.to_vec().into(), prefix_end(prefix)),
        };
        RangeRequest {
            key,
            range_end,
            ..RangeRequest::default()
        }
    }

    fn key(&self, key: &[u8]) -> Bytes {
        let rest = key.strip_prefix(&self.prefix[..]).unwrap_or(key);
        [&self.target_prefix[..], rest].concat().into()
    }

    fn put(&self, key: &[u8], value: Bytes) -> PutRequest {
        PutRequest {
            key: self.key(key),
            value,
            ..PutRequest::default()
        }
    }

    fn operation(&self, event: &Event) -> Option<RequestOp> {
        let kv = event.kv.as_ref()?;
        let request = if event.r#type == i32::from(EventType::Delete) {
            Request::RequestDeleteRange(DeleteRangeRequest {
                key: self.key(&kv.key),
                ..DeleteRangeRequest::default()
            })
        } else {
            Request::RequestPut(self.put(&kv.key, kv.value.clone()))
        };
        Some(RequestOp {
            request: Some(request),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::parse;
    use proto::mvccpb::KeyValue;

    fn rename(words: &[&'static str]) -> Rename {
        let words: Vec<Bytes> = words.iter().map(|word| (*word).into()).collect();
        Rename::new(&parse(COMMAND.flags, &words).unwrap())
    }

    /// A wrong name at the destination overwrites somebody else's key.
    #[test]
    fn keys_get_their_new_prefix() {
        assert_eq!(rename(&[]).key(b"a/b"), "a/b");
        assert_eq!(rename(&["--prefix=a/"]).key(b"a/b"), "a/b");
        assert_eq!(
            rename(&["--prefix=a/", "--dest-prefix=c/"]).key(b"a/b"),
            "c/b"
        );
        assert_eq!(
            rename(&["--prefix=a/", "--no-dest-prefix"]).key(b"a/a/b"),
            "a/b"
        );
        assert_eq!(rename(&["--dest-prefix=c/"]).key(b"a/b"), "c/a/b");
    }

    /// Changes of one revision belong together at the destination as well.
    #[test]
    fn revisions_stay_whole() {
        let event = |mod_revision| Event {
            kv: Some(KeyValue {
                mod_revision,
                ..KeyValue::default()
            }),
            ..Event::default()
        };
        let events = [event(3), event(3), event(4)];
        let sizes: Vec<usize> = by_revision(&events).map(<[Event]>::len).collect();
        assert_eq!(sizes, [2, 1]);
    }
}
