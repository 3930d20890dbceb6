//! A member's `/metrics` page, and one number of it.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a member may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than any page of metrics.
const PAGE_BYTES_MAX: u64 = 16 << 20;

/// The memory of a member's process, in bytes; the error is for the user.
pub(super) async fn resident_memory(endpoint: &str) -> Result<u64, String> {
    find(&page(endpoint).await?, "process_resident_memory_bytes")
        .ok_or_else(|| "the member does not report it".to_owned())
}

/// The whole page; the error is for the user.
pub(super) async fn page(endpoint: &str) -> Result<String, String> {
    let page = timeout(PATIENCE, fetch(endpoint)).await;
    page.map_err(|_| "timed out".to_owned())?
}

async fn fetch(endpoint: &str) -> Result<String, String> {
    if endpoint.starts_with("https://") {
        return Err("the page is not read over TLS".to_owned());
    }
    let address = endpoint.strip_prefix("http://").unwrap_or(endpoint);
    let address = address.split('/').next().unwrap_or_default();
    let text = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(address).await.map_err(text)?;
    // HTTP/1.0 answers come in one piece and end with the connection.
    let request = format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(text)?;
    let mut page = Vec::new();
    stream
        .take(PAGE_BYTES_MAX)
        .read_to_end(&mut page)
        .await
        .map_err(text)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn find(page: &str, name: &str) -> Option<u64> {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    let value: f64 = line.trim().parse().ok()?;
    // Memory sizes are far below where floating point loses whole numbers.
    (value >= 0.0).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Go writes large numbers with an exponent.
    #[test]
    fn numbers_are_found_in_the_page() {
        let page = "HTTP/1.0 200 OK\r\n\r\n# TYPE a_b gauge\na_b_c 1\na_b 2.5e+07\n";
        assert_eq!(find(page, "a_b"), Some(25_000_000));
        assert_eq!(find(page, "nope"), None);
        assert_eq!(find("a_b NaN", "a_b"), None);
    }
}
