//! `grpc-timeout`: how long a client waits, and what happens then.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use proto::error::Code;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::status::Status;

/// The longest number that the header may hold.
const DIGITS_MAX: usize = 8;
/// Longer waits are as good as for ever, and cannot overflow a clock.
const TIMEOUT_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Reads the header: up to eight digits and a unit.
pub(crate) fn parse_timeout(value: &[u8]) -> Result<Duration, Status> {
    let malformed = || {
        Status::new(
            Code::Internal,
            format!(
                "malformed grpc-timeout: {:?}",
                String::from_utf8_lossy(value)
            ),
        )
    };
    let (unit, digits) = value.split_last().ok_or_else(malformed)?;
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return Err(malformed());
    }
    let number = digits
        .iter()
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    let timeout = match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return Err(malformed()),
    };
    Ok(timeout.min(TIMEOUT_MAX))
}

/// A deadline whose timer exists only once somebody has to wait.
pub(crate) struct Deadline {
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(crate) fn new(at: Option<Instant>) -> Self {
        Self { at, timer: None }
    }

    /// Ready when the deadline has passed; call it only after the work was found pending.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        timer.as_mut().poll(cx)
    }
}

/// Runs `work` until it is done or the deadline has passed.
pub(crate) async fn before<T>(
    deadline: Option<Instant>,
    mut work: Pin<&mut impl Future<Output = Result<T, Status>>>,
) -> Result<T, Status> {
    let mut deadline = Deadline::new(deadline);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending => deadline.poll(cx).map(|()| Err(Status::deadline_exceeded())),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A misread unit would end calls too early, or never.
    #[test]
    fn timeouts() {
        for (text, want) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("5S", Duration::from_secs(5)),
            ("4999868u", Duration::from_micros(4_999_868)),
            ("7m", Duration::from_millis(7)),
            ("0n", Duration::ZERO),
            ("99999999H", TIMEOUT_MAX),
        ] {
            assert_eq!(parse_timeout(text.as_bytes()), Ok(want));
        }
        for text in ["", "S", "5", "123456789S", "-1S", "5x", "\u{fc}S"] {
            let status = parse_timeout(text.as_bytes()).unwrap_err();
            assert_eq!(status.code, Code::Internal);
        }
    }
}
