//! `/debug/pprof/`: profiles of this process for `go tool pprof`, where they are switched on.
//!
//! CPU time and memory are what there is. Go's other profiles are about its own runtime: they are
//! answered with a sentence, not with an empty profile.

use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, HeaderValue};
use rpc::{HttpResponse, replies};

use crate::cpu::{self, CpuError, Running};
use crate::heap;

const ROOT: &str = "/debug/pprof";
/// How long the CPU is looked at when nobody says.
const SECONDS: u64 = 30;
const INDEX: &str = "/debug/pprof/

profile?seconds=30  CPU time of all threads, sampled
heap                memory in use and allocated, sampled since the start
allocs              the same
cmdline             the command line
symbol              nothing: profiles have their names with them

goroutine, threadcreate, block, mutex and trace are about Go's runtime, which is not here.
";

/// Whether the path is answered here.
#[must_use]
pub fn is_profile(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a request for a profile.
pub async fn answer(path: &str, query: &[(String, String)]) -> HttpResponse {
    match path.strip_prefix(ROOT).unwrap_or_default() {
        "" | "/" => text(StatusCode::OK, INDEX),
        "/profile" => cpu_time(query).await,
        "/heap" | "/allocs" => match heap::is_on() {
            true => aside("heap", heap::snapshot).await,
            false => text(StatusCode::NOT_IMPLEMENTED, "memory is not sampled\n"),
        },
        "/cmdline" => {
            let line: Vec<String> = std::env::args().collect();
            text(StatusCode::OK, &line.join("\0"))
        }
        "/symbol" => text(StatusCode::OK, "num_symbols: 0\n"),
        name @ ("/goroutine" | "/threadcreate" | "/block" | "/mutex" | "/trace") => {
            let name = name.trim_start_matches('/');
            let reason = format!(
                "{name}: this server is not written in Go and has no such profile; profile and heap are here\n"
            );
            text(StatusCode::NOT_IMPLEMENTED, &reason)
        }
        _ => replies::not_found(),
    }
}

async fn cpu_time(query: &[(String, String)]) -> HttpResponse {
    let asked = query.iter().find(|(name, _)| name == "seconds");
    let seconds = match asked.map(|(_, value)| value.parse::<u64>()) {
        None | Some(Ok(0)) => SECONDS,
        Some(Ok(seconds)) => seconds,
        Some(Err(_)) => return text(StatusCode::BAD_REQUEST, "seconds is not a number\n"),
    };
    let time = Duration::from_secs(seconds);
    if time > cpu::LONGEST {
        let most = cpu::LONGEST.as_secs();
        return text(
            StatusCode::BAD_REQUEST,
            &format!("seconds is {most} at most\n"),
        );
    }
    match Running::start(time) {
        Ok(running) => {
            tokio::time::sleep(time).await;
            aside("profile", move || running.finish()).await
        }
        Err(error @ CpuError::Busy) => {
            let reason = format!("Could not enable CPU profiling: {error}\n");
            text(StatusCode::INTERNAL_SERVER_ERROR, &reason)
        }
        Err(error) => {
            let source = std::error::Error::source(&error);
            let why = source
                .map(|source| format!(": {source}"))
                .unwrap_or_default();
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("{error}{why}\n"),
            )
        }
    }
}

/// Makes a profile on a thread on which nobody waits.
async fn aside(name: &str, make: impl FnOnce() -> Vec<u8> + Send + 'static) -> HttpResponse {
    let Ok(made) = tokio::task::spawn_blocking(make).await else {
        return text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the profile could not be made\n",
        );
    };
    let kind = HeaderValue::from_static("application/octet-stream");
    let mut response = replies::with_type(StatusCode::OK, kind, made.into());
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    response
}

fn text(status: StatusCode, body: &str) -> HttpResponse {
    replies::nosniff(status, body.to_owned().into())
}
