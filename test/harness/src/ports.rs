//! Ports that nobody uses.

use std::net::TcpListener;

use anyhow::Result;

/// A port that was free a moment ago. The system hands ports out in turn, so that another test does
/// not get the same one soon.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
