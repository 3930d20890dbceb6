//! Several clients at once, recorded and judged: `test/interop/go/recorder`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::go;

/// How long requests may get nowhere.
const PATIENCE: Duration = Duration::from_secs(90);

/// Clients in the background; killed when dropped.
#[derive(Debug)]
pub struct Recorder {
    child: Child,
    counts: Arc<Counts>,
    reader: Option<JoinHandle<Option<String>>>,
}

#[derive(Debug, Default)]
struct Counts {
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Recorder {
    /// Starts clients of these members; `dir` gets a picture of what is wrong in the end.
    ///
    /// # Errors
    /// When Go is missing or the program does not start.
    pub fn start(endpoints: &[String], dir: &Path, flags: &[&str]) -> Result<Self> {
        let mut child = Command::new(go::own("recorder", &scratch()?)?)
            .arg(format!("-endpoints={}", endpoints.join(",")))
            .arg(format!("-picture={}", dir.join("history.html").display()))
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        let reader = std::thread::spawn(move || {
            let mut last = None;
            for line in lines.map_while(Result::ok) {
                match line.strip_prefix("progress ") {
                    Some(numbers) => shared.take(numbers),
                    None => last = Some(line),
                }
            }
            last
        });
        Ok(Self {
            child,
            counts,
            reader: Some(reader),
        })
    }

    /// Waits until `count` more requests are answered.
    ///
    /// # Errors
    /// When requests get nowhere.
    pub fn advance(&self, count: u64) -> Result<()> {
        let goal = self.counts.answered.load(Ordering::Acquire) + count;
        let deadline = Instant::now() + PATIENCE;
        while self.counts.answered.load(Ordering::Acquire) < goal {
            let reader = self.reader.as_ref().context("it has ended")?;
            ensure!(!reader.is_finished(), "the recorder has ended");
            ensure!(Instant::now() < deadline, "requests get nowhere");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// How many requests have failed so far.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.counts.failed.load(Ordering::Acquire)
    }

    /// Ends the clients and has everything judged; the report, whatever it says.
    ///
    /// # Errors
    /// When there is none.
    pub fn report(mut self) -> Result<Value> {
        let mut input = self.child.stdin.take().context("no input")?;
        input.write_all(b"stop\n")?;
        let reader = self.reader.take().context("it has ended")?;
        let Ok(Some(line)) = reader.join() else {
            bail!("no report: {}", self.child.wait()?);
        };
        self.child.wait()?;
        serde_json::from_str(&line).with_context(|| format!("the report: {line}"))
    }

    /// As [`Recorder::report`], where nothing may be wrong.
    ///
    /// # Errors
    /// When something is.
    pub fn stop(self, what: &str) -> Result<Value> {
        let report = self.report()?;
        let wrong = report["wrong"].as_array();
        ensure!(
            wrong.is_none_or(Vec::is_empty),
            "violation: {what}: the history is wrong:\n{report:#}"
        );
        println!(
            "{what}: {} operations ({} of unknown outcome) and {} events on {} watches ({} times resumed) judged",
            report["operations"],
            report["unknown"],
            report["events"],
            report["watches"],
            report["resumed"]
        );
        Ok(report)
    }
}

/// The folder that Cargo gives to tests.
fn scratch() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    // target/<profile>/deps/<test> lies beside target/tmp.
    let target = test.ancestors().nth(3).context("the target directory")?;
    Ok(target.join("tmp"))
}

impl Counts {
    fn take(&self, numbers: &str) {
        let mut numbers = numbers.split(' ').filter_map(|number| number.parse().ok());
        for count in [&self.answered, &self.failed] {
            if let Some(number) = numbers.next() {
                count.store(number, Ordering::Release);
            }
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
