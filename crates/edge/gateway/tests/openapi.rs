//! The published description is that of the messages.

/// Whoever makes clients from the document must not be told of an API that is no more.
/// `UPDATE=1 cargo test -p gateway` rewrites it.
#[test]
fn the_document_is_fresh() {
    let document = gateway::openapi::document();
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        std::fs::write(path, &document).expect("the document is writable");
        return;
    }
    assert!(
        gateway::openapi::DOCUMENT == document,
        "openapi.json is stale: UPDATE=1 cargo test -p gateway"
    );
    assert!(document.contains("\"/v3/kv/range\""));
}
