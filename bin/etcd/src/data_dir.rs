//! The data directory: what it holds, whether it can be written, whether others can read it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::failure::GoIo;
use crate::logging::Logger;
use crate::logging::field::fields;
use notation::quote::quote;

/// Only the member itself reads its data.
const MODE: u32 = 0o700;

/// What a data directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// No member.
    Empty,
    /// A member.
    Member,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// Its names cannot be read.
    #[error("open {path}: {}", GoIo(source))]
    List {
        /// The directory.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A proxy of an old version lives there.
    #[error("v2 http proxy has already been deprecated in 3.6")]
    Proxy,
    /// A member and a proxy live there.
    #[error("invalid datadir; both member and proxy directories exist")]
    MemberAndProxy,
    /// It cannot be made or written.
    #[error("cannot access data directory: {action} {path}: {}", GoIo(source))]
    Access {
        /// What failed.
        action: &'static str,
        /// The file or directory.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Looks at the names in the directory.
pub(crate) fn identify(path: &Path, log: &Logger) -> Result<Contents, DataDirError> {
    let failed = |source| DataDirError::List {
        path: path.display().to_string(),
        source,
    };
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::Empty),
        entries => entries.map_err(failed)?,
    };
    let (mut member, mut proxy) = (false, false);
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        match name.to_str() {
            Some("member") => member = true,
            Some("proxy") => proxy = true,
            _ => {
                let name = name.to_string_lossy().into_owned();
                let fields = fields!["filename" => name, "data-dir" => path.display().to_string()];
                log.warn("found invalid file under data directory", fields);
            }
        }
    }
    match (member, proxy) {
        (true, true) => Err(DataDirError::MemberAndProxy),
        (false, true) => Err(DataDirError::Proxy),
        (true, false) => Ok(Contents::Member),
        (false, false) => Ok(Contents::Empty),
    }
}

/// Makes the directory, or looks at who can read it, and tries whether it can be written.
pub(crate) fn prepare(path: &Path, log: &Logger) -> Result<(), DataDirError> {
    let failed = |action, path: &Path| {
        let path = path.display().to_string();
        move |source| DataDirError::Access {
            action,
            path,
            source,
        }
    };
    match fs::metadata(path) {
        Ok(found) => check_mode(path, found.permissions().mode(), log),
        Err(_) => DirBuilder::new()
            .recursive(true)
            .mode(MODE)
            .create(path)
            .map_err(failed("mkdir", path))?,
    }
    let touched = path.join(".touch");
    fs::write(&touched, "").map_err(failed("open", &touched))?;
    fs::remove_file(&touched).map_err(failed("remove", &touched))
}

fn check_mode(path: &Path, mode: u32, log: &Logger) {
    if mode & 0o777 == MODE {
        return;
    }
    let error = format!(
        "directory {} exist, but the permission is {}. The recommended permission is \"-rwx------\" to prevent possible unprivileged access to the data",
        quote(path.display().to_string()),
        quote(permissions('d', mode)),
    );
    log.warn("check file permission", fields!["error" => error]);
}

/// A mode as `ls` shows it.
fn permissions(kind: char, mode: u32) -> String {
    let bits = "rwxrwxrwx".chars().enumerate();
    let shown = bits.map(|(index, letter)| match mode & (0o400 >> index) {
        0 => '-',
        _ => letter,
    });
    std::iter::once(kind).chain(shown).collect()
}

/// The directory of the member in a data directory.
pub(crate) fn member_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("member")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identified(names: &[&str]) -> Result<Contents, String> {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        identify(dir.path(), &Logger::silent()).map_err(|error| error.to_string())
    }

    /// A directory of something else must not be taken over.
    #[test]
    fn contents() {
        assert_eq!(identified(&[]), Ok(Contents::Empty));
        assert_eq!(identified(&["fixtures", "member"]), Ok(Contents::Member));
        assert_eq!(identified(&["lost+found"]), Ok(Contents::Empty));
        assert_eq!(
            identified(&["member", "proxy"]).unwrap_err(),
            "invalid datadir; both member and proxy directories exist"
        );
        assert_eq!(
            identified(&["proxy"]).unwrap_err(),
            "v2 http proxy has already been deprecated in 3.6"
        );
        let nowhere = identify(Path::new("/nowhere/x"), &Logger::silent());
        assert!(matches!(nowhere, Ok(Contents::Empty)));
    }

    #[test]
    fn made_for_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        prepare(&path, &Logger::silent()).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(permissions('d', mode), "drwx------");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        prepare(&path, &Logger::silent()).unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let error = prepare(&dir.path().join("file"), &Logger::silent()).unwrap_err();
        assert!(
            error.to_string().ends_with("/file/.touch: not a directory"),
            "{error}"
        );
    }
}
