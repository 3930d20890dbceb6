//! Answers of a watch on stdout, and the program that is run for each event.

use bytes::Bytes;
use client::Watch;
use proto::error::Error as Known;
use proto::etcdserverpb::{ResponseHeader, WatchResponse};
use proto::mvccpb::{Event, event::EventType};

use crate::commands::execute;
use crate::exit::{ERROR, Exit};
use crate::print::{self, Answer, Printer};
use notation::quote::quote;

/// Shows all answers until the watch is over.
pub(super) async fn show(
    printer: Printer,
    mut watch: Watch,
    command: &[Bytes],
) -> Result<(), Exit> {
    while let Some(answer) = watch.next().await {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                eprintln!("watch was canceled ({error})");
                printer.print(&Answer::Watch(refused()))?;
                continue;
            }
        };
        if answer.canceled {
            eprintln!("watch was canceled ({})", reason(&answer));
            let refusal = answer.created;
            printer.print(&Answer::Watch(if refusal { refused() } else { answer }))?;
            continue;
        }
        let revision = answer.header.unwrap_or_default().revision;
        if answer.events.is_empty() && revision != 0 {
            print::line(&format!("progress notify: {revision}"))?;
        }
        let events = if command.is_empty() {
            Vec::new()
        } else {
            answer.events.clone()
        };
        printer.print(&Answer::Watch(answer))?;
        for event in events {
            run(command, &event, revision).await?;
        }
    }
    Ok(())
}

/// What is printed for a watch that was never there.
fn refused() -> WatchResponse {
    WatchResponse {
        header: Some(ResponseHeader::default()),
        canceled: true,
        ..WatchResponse::default()
    }
}

fn reason(answer: &WatchResponse) -> &str {
    if answer.compact_revision != 0 {
        return Known::Compacted.text();
    }
    &answer.cancel_reason
}

async fn run(command: &[Bytes], event: &Event, revision: i64) -> Result<(), Exit> {
    let status = execute::run(command, &variables(event, revision), true).await;
    let reason = match status {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => execute::describe(status),
        Err(exit) => exit.message.unwrap_or_default(),
    };
    let words: Vec<String> = command.iter().map(quote).collect();
    eprintln!("command [{}] error ({reason})", words.join(" "));
    Err(Exit::silent(ERROR))
}

/// What the program learns of the event; the texts are quoted, so that no byte is lost.
fn variables(event: &Event, revision: i64) -> [(&'static str, String); 4] {
    let delete = event.r#type == i32::from(EventType::Delete);
    let kind = if delete { "DELETE" } else { "PUT" };
    let kv = event.kv.clone().unwrap_or_default();
    [
        ("ETCD_WATCH_REVISION", revision.to_string()),
        ("ETCD_WATCH_EVENT_TYPE", quote(kind.as_bytes())),
        ("ETCD_WATCH_KEY", quote(&kv.key)),
        ("ETCD_WATCH_VALUE", quote(&kv.value)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::mvccpb::KeyValue;

    /// Scripts that watch read these variables, quotes included.
    #[test]
    fn programs_learn_of_the_event() {
        let event = Event {
            kv: Some(KeyValue {
                key: "wk".into(),
                value: "v1".into(),
                ..KeyValue::default()
            }),
            ..Event::default()
        };
        let expected = [
            ("ETCD_WATCH_REVISION", "23".to_owned()),
            ("ETCD_WATCH_EVENT_TYPE", r#""PUT""#.to_owned()),
            ("ETCD_WATCH_KEY", r#""wk""#.to_owned()),
            ("ETCD_WATCH_VALUE", r#""v1""#.to_owned()),
        ];
        assert_eq!(variables(&event, 23), expected);
    }
}
