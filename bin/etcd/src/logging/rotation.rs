//! A log file that is replaced when it is large: `name.log` becomes `name-<moment>.log`, and old
//! ones are compressed and removed by a thread of their own, so that nobody waits for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use serde_json::Value;

const MEGABYTE: u64 = 1 << 20;
/// The size when the configuration names none.
const MEGABYTES: u64 = 100;
const DAY: Duration = Duration::from_secs(86_400);

/// When files are replaced, and which old ones are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    bytes_max: u64,
    days_max: u64,
    backups_max: usize,
    local_time: bool,
    compress: bool,
}

/// Why a policy cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    /// It is not JSON.
    #[error("improperly formatted log rotation config: {0}")]
    Syntax(#[source] serde_json::Error),
    /// It is JSON of another shape.
    #[error(
        "invalid log rotation config: json: cannot unmarshal {found} into Go struct field {field} of type {wanted}"
    )]
    Type {
        /// What stands there.
        found: &'static str,
        /// The field.
        field: String,
        /// What should stand there.
        wanted: &'static str,
    },
}

impl Policy {
    /// Of so many megabytes and days, and so many old files; zero for the default, or no limit.
    pub(crate) fn new(megabytes: u64, days_max: u64, backups_max: u64) -> Self {
        let megabytes = if megabytes == 0 { MEGABYTES } else { megabytes };
        Self {
            bytes_max: megabytes.saturating_mul(MEGABYTE),
            days_max,
            backups_max: usize::try_from(backups_max).unwrap_or(usize::MAX),
            local_time: false,
            compress: false,
        }
    }

    /// Reads `--log-rotation-config-json`.
    pub(crate) fn parse(text: &str) -> Result<Self, PolicyError> {
        let value: Value = serde_json::from_str(text).map_err(PolicyError::Syntax)?;
        let number = |name: &str| match value.get(name) {
            None | Some(Value::Null) => Ok(0),
            Some(value) => value.as_i64().ok_or_else(|| type_error(name, value, "int")),
        };
        let truth = |name: &str| match value.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(value) => value
                .as_bool()
                .ok_or_else(|| type_error(name, value, "bool")),
        };
        if !value.is_object() && !value.is_null() {
            return Err(type_error("", &value, "embed.logRotationConfig"));
        }
        let positive = |number| u64::try_from(number).unwrap_or(0);
        let megabytes = match positive(number("maxsize")?) {
            0 => MEGABYTES,
            some => some,
        };
        Ok(Self {
            bytes_max: megabytes.saturating_mul(MEGABYTE),
            days_max: positive(number("maxage")?),
            backups_max: usize::try_from(number("maxbackups")?).unwrap_or(0),
            local_time: truth("localtime")?,
            compress: truth("compress")?,
        })
    }
}

fn type_error(name: &str, value: &Value, wanted: &'static str) -> PolicyError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    PolicyError::Type {
        found,
        field: format!("logRotationConfig.{name}"),
        wanted,
    }
}

/// A file that is written to and replaced.
#[derive(Debug)]
pub(crate) struct Rotating {
    path: PathBuf,
    policy: Policy,
    /// The file and its length; held for a write, and for the two renames of a replacement.
    open: Mutex<(File, u64)>,
    /// Held by the thread that looks through old files.
    cleaning: Arc<Mutex<()>>,
}

impl Rotating {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path, policy: Policy) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = open(path, 0o600)?;
        let len = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            policy,
            open: Mutex::new((file, len)),
            cleaning: Arc::default(),
        })
    }

    /// Writes a line or several, into a fresh file if this one would get too large.
    pub(crate) fn write(&self, line: &[u8]) -> io::Result<()> {
        let mut open = self.open.lock();
        let len = line.len() as u64;
        if open.1 > 0 && open.1 + len > self.policy.bytes_max {
            *open = (self.replace(&open.0)?, 0);
            self.clean();
        }
        open.0.write_all(line)?;
        open.1 += len;
        Ok(())
    }

    fn replace(&self, file: &File) -> io::Result<File> {
        let mode = file.metadata()?.mode() & 0o777;
        let backup = self.backup(Timestamp::now());
        fs::rename(&self.path, backup)?;
        open(&self.path, mode)
    }

    /// The name of a backup made at that moment.
    fn backup(&self, moment: Timestamp) -> PathBuf {
        let zone = match self.policy.local_time {
            true => TimeZone::system(),
            false => TimeZone::UTC,
        };
        let moment = moment.to_zoned(zone);
        let (stem, extension) = self.name_parts();
        let name = format!(
            "{stem}-{}{extension}",
            moment.strftime("%Y-%m-%dT%H-%M-%S%.3f")
        );
        self.path.with_file_name(name)
    }

    /// The file's name without its extension, and the extension with its dot.
    fn name_parts(&self) -> (String, String) {
        let text = |part: Option<&std::ffi::OsStr>| {
            part.unwrap_or_default().to_string_lossy().into_owned()
        };
        let extension = match self.path.extension() {
            Some(extension) => format!(".{}", extension.to_string_lossy()),
            None => String::new(),
        };
        (text(self.path.file_stem()), extension)
    }

    /// Looks through the old files on another thread; without one they stay until next time.
    fn clean(&self) {
        let (policy, cleaning) = (self.policy, Arc::clone(&self.cleaning));
        let folder = self.path.parent().map(Path::to_owned).unwrap_or_default();
        let (stem, extension) = self.name_parts();
        let clean = move || {
            let _guard = cleaning.lock();
            // What cannot be removed or compressed is tried again after the next replacement.
            let _ = clean(&folder, &format!("{stem}-"), &extension, policy);
        };
        let _ = std::thread::Builder::new()
            .name("log-rotation".to_owned())
            .spawn(clean);
    }
}

fn open(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(mode)
        .open(path)
}

/// Removes backups that are too many or too old, and compresses the others if that is asked for.
fn clean(folder: &Path, prefix: &str, extension: &str, policy: Policy) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let compressed = format!("{extension}.gz");
    let mut backups = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_backup = name.ends_with(extension) || name.ends_with(&compressed);
        if is_backup && name.starts_with(prefix) {
            backups.push(name);
        }
    }
    // Names sort by their moments; the newest comes first.
    backups.sort_unstable_by(|a, b| b.cmp(a));
    let oldest = (policy.days_max > 0)
        .then(|| DAY.checked_mul(u32::try_from(policy.days_max).unwrap_or(u32::MAX)))
        .flatten()
        .and_then(|age| SystemTime::now().checked_sub(age));
    for (index, name) in backups.iter().enumerate() {
        let path = folder.join(name);
        let too_many = policy.backups_max > 0 && index >= policy.backups_max;
        let modified = fs::metadata(&path)?.modified()?;
        if too_many || oldest.is_some_and(|oldest| modified < oldest) {
            fs::remove_file(&path)?;
        } else if policy.compress && !name.ends_with(".gz") {
            compress(&path)?;
        }
    }
    Ok(())
}

fn compress(path: &Path) -> io::Result<()> {
    let mut target = path.as_os_str().to_owned();
    target.push(".gz");
    let mut source = File::open(path)?;
    let mode = source.metadata()?.mode() & 0o777;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&target)?;
    let mut encoder = GzEncoder::new(file, Compression::default());
    io::copy(&mut source, &mut encoder)?;
    encoder.finish()?;
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn policy(text: &str) -> Policy {
        Policy::parse(text).unwrap()
    }

    /// A member that logs for years must neither fill the disk nor lose the last lines.
    #[test]
    fn large_files_are_replaced_and_old_ones_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("etcd.log");
        let policy = Policy {
            bytes_max: 20,
            ..policy(r#"{"maxbackups": 2}"#)
        };
        let log = Rotating::open(&path, policy).unwrap();
        for round in 0..6 {
            log.write(format!("line {round} of many\n").as_bytes())
                .unwrap();
            // Backups are named by milliseconds.
            while log.backup(Timestamp::now()).exists() {}
        }
        // The threads that clean take turns; the last one leaves two backups.
        let count = || fs::read_dir(dir.path()).unwrap().count();
        while count() > 3 {
            log.clean();
            std::thread::yield_now();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "line 5 of many\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn backups_are_compressed() {
        let dir = tempfile::tempdir().unwrap();
        let backup = dir.path().join("etcd-2026-01-02T03-04-05.006.log");
        fs::write(&backup, "line\n").unwrap();
        fs::write(dir.path().join("etcd.log"), "").unwrap();
        clean(dir.path(), "etcd-", ".log", policy(r#"{"compress": true}"#)).unwrap();
        assert!(!backup.exists());
        let packed = File::open(backup.with_extension("log.gz")).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "line\n");
    }

    #[test]
    fn names_of_backups() {
        let dir = tempfile::tempdir().unwrap();
        let log = Rotating::open(&dir.path().join("etcd.log"), policy("{}")).unwrap();
        let backup = log.backup(Timestamp::new(1_795_257_599, 7_000_000).unwrap());
        let name = backup.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, "etcd-2026-11-21T10-39-59.007.log");
    }

    #[test]
    fn policies() {
        let default = r#"{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}"#;
        assert_eq!(policy(default), policy("{}"));
        assert_eq!(policy("{}").bytes_max, 100 << 20);
        let error = |text| Policy::parse(text).unwrap_err().to_string();
        assert!(error("{").starts_with("improperly formatted log rotation config: "));
        assert_eq!(
            error(r#"{"maxsize": "1"}"#),
            "invalid log rotation config: json: cannot unmarshal string into Go struct field logRotationConfig.maxsize of type int"
        );
    }
}
