//! The bodies that the JSON gateway takes, and the messages that it writes.

use gateway::{Routes, decode, encode};

/// Paths whose messages have every kind of field.
const PATHS: [&str; 6] = [
    "/v3/kv/range",
    "/v3/kv/txn",
    "/v3/watch",
    "/v3/auth/user/add",
    "/v3/cluster/member/add",
    "/v3/maintenance/alarm",
];

/// The first byte chooses the message, the rest is its JSON and, besides, its bytes. What was read is
/// written, read and written again as the same text.
pub(crate) fn bodies(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else {
        return;
    };
    let path = PATHS[usize::from(*choice) % PATHS.len()];
    let route = Routes::new().find(path).expect("the path is known");
    let written = |message: &[u8]| {
        let mut text = String::new();
        encode::message(route.request, message, &mut text).map(|()| text)
    };
    // Foreign bytes are an error or some text.
    let _ = written(body);
    let Ok(message) = decode::message(route.request, body) else {
        return;
    };
    let text = written(&message).expect("what was read can be written");
    let again = decode::message(route.request, text.as_bytes()).expect("what was written is read");
    let same = written(&again).expect("what was read can be written");
    assert_eq!(text, same);
}
